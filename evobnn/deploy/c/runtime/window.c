typedef struct {
    int height, width;              /* of the map that is read */
    int channels, bytes;            /* of a pixel of it */
    int filters, groups, words;     /* words of a window, or of a group's part of it */
    int kernel, stride, dilation, border, zeros;
    const uint32_t *weights;
} binary_layer;

/* Whether all taps of a window lie inside the map. */
static int all_inside(const binary_layer *l, int y, int column)
{
    const int span = l->dilation * (l->kernel - 1);
    const int i = y * l->stride - l->border, j = column * l->stride - l->border;
    return i >= 0 && j >= 0 && i + span < l->height && j + span < l->width;
}

/* The bits below a window, tap after tap, each from a byte of its own on. */
static void window_inside(const binary_layer *l, const uint8_t *x, int y, int column, uint32_t *EVOBNN_APART seen)
{
    const int i = y * l->stride - l->border, j = column * l->stride - l->border;
    const uint8_t *row = x + ((long)i * l->width + j) * l->bytes;
    const int together = l->dilation == 1 ? 1 : l->kernel, bytes = l->dilation == 1 ? l->kernel * l->bytes : l->bytes;
    uint8_t *to = (uint8_t *)seen;
    int down, right, b;
    seen[l->words - 1] = 0;
    for (down = 0; down < l->kernel; down++, row += (long)l->dilation * l->width * l->bytes)
        for (right = 0; right < together; right++, to += bytes) {
            const uint8_t *from = row + (long)right * l->dilation * l->bytes;
            for (b = 0; b + 8 <= bytes; b += 8) memcpy(to + b, from + b, 8);
            for (; b < bytes; b++) to[b] = from[b];
        }
}

/* The same at an edge: beyond the map the bits are 0, and so is `inside`. */
static void window_at_edge(const binary_layer *l, const uint8_t *x, int y, int column, uint32_t *seen, uint32_t *inside)
{
    const uint8_t last = (uint8_t)(0xff >> ((8 - l->channels % 8) % 8));
    uint8_t *to = (uint8_t *)seen, *in = (uint8_t *)inside;
    int down, right;
    memset(seen, 0, sizeof(uint32_t) * (size_t)l->words);
    memset(inside, 0, sizeof(uint32_t) * (size_t)l->words);
    for (down = 0; down < l->kernel; down++) {
        const int i = y * l->stride - l->border + down * l->dilation;
        for (right = 0; right < l->kernel; right++, to += l->bytes, in += l->bytes) {
            const int j = column * l->stride - l->border + right * l->dilation;
            if (i < 0 || i >= l->height || j < 0 || j >= l->width) continue;
            memcpy(to, x + ((long)i * l->width + j) * l->bytes, (size_t)l->bytes);
            memset(in, 0xff, (size_t)l->bytes);
            in[l->bytes - 1] = last;
        }
    }
}
