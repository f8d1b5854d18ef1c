/* Times model.c on images from standard input, and writes doubles: seconds by the clock and on the processor of each
   round, or, with EVOBNN_STAGES, the seconds of each stage and of a mark itself. */
#define _POSIX_C_SOURCE 200112L

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "model.h"

#define SIZE (EVOBNN_CHANNELS * EVOBNN_HEIGHT * EVOBNN_WIDTH)

#if defined(CLOCK_MONOTONIC) && defined(CLOCK_PROCESS_CPUTIME_ID)
static double read_clock(clockid_t which)
{
    struct timespec now;
    clock_gettime(which, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
static double wall(void) { return read_clock(CLOCK_MONOTONIC); }
static double processor(void) { return read_clock(CLOCK_PROCESS_CPUTIME_ID); }
#else
static double wall(void) { return (double)clock() / CLOCKS_PER_SEC; }
static double processor(void) { return wall(); }
#endif

#ifdef EVOBNN_STAGES
static double last, spent[EVOBNN_STAGES + 1];
void evobnn_mark(int stage);
void evobnn_mark(int stage)
{
    spent[stage] = wall() - last;
    last = wall();
}
#endif

int main(int count, char **given)
{
    const long batch = count == 5 ? atol(given[1]) : 0;
    const long least = count == 5 ? atol(given[2]) : 0, most = count == 5 ? atol(given[3]) : 0;
    const double limit = count == 5 ? atof(given[4]) : 0.0;
    uint8_t *images = batch > 0 ? malloc((size_t)batch * SIZE) : 0;
    float logits[EVOBNN_CLASSES];
    double begun = 0.0;
    long round, n;
    if (!images || fread(images, SIZE, (size_t)batch, stdin) != (size_t)batch) return 2;
    for (round = -3; round < most && (round < least || wall() - begun < limit); round++) {
        double took[2];
        if (round == 0) begun = wall();
        took[1] = processor();
        took[0] = wall();
#ifdef EVOBNN_STAGES
        last = wall();
        evobnn_mark(EVOBNN_STAGES);
#endif
        for (n = 0; n < batch; n++) evobnn_run(images + n * SIZE, logits);
        took[0] = wall() - took[0];
        took[1] = processor() - took[1];
        if (round < 0) continue;
#ifdef EVOBNN_STAGES
        if (fwrite(spent, sizeof spent, 1, stdout) != 1) return 1;
#else
        if (fwrite(took, sizeof took, 1, stdout) != 1) return 1;
#endif
    }
    free(images);
    return 0;
}
