typedef struct {
    int channels, bytes;            /* of a pixel of bits */
    int most;                       /* thresholds of a channel */
    const uint8_t *first;           /* the signs below all thresholds */
    const float *thresholds;        /* (most, 8 bytes) */
    const float *low, *high;        /* where the thresholds hold; 0 for everywhere */
    int (*direct)(float, int);      /* the sign beyond, and where there are no thresholds */
} site_layer;

/* The signs of a row (n, channels) as bits, channel 0 lowest, each pixel from a byte of its own on. */
static void site_row(const site_layer *l, const float *x, int n, uint8_t *EVOBNN_APART out)
{
    int p, b, j, k;
    for (p = 0; p < n; p++, x += l->channels)
        for (b = 0; b < l->bytes; b++) {
            const int here = l->channels - 8 * b < 8 ? l->channels - 8 * b : 8;
            unsigned bits = l->first ? l->first[b] : 0u, beyond = l->first ? 0u : 255u;
            if (l->first) {
                const float *t = l->thresholds + 8 * b;
#if defined(EVOBNN_AVX2)
                if (here == 8) {
                    const __m256 v = _mm256_loadu_ps(x + 8 * b);
                    for (k = 0; k < l->most; k++, t += 8 * l->bytes)
                        bits ^= (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(v, _mm256_loadu_ps(t), _CMP_GE_OQ));
                    if (l->low) {
                        const __m256 under = _mm256_cmp_ps(v, _mm256_loadu_ps(l->low + 8 * b), _CMP_LT_OQ);
                        const __m256 over = _mm256_cmp_ps(v, _mm256_loadu_ps(l->high + 8 * b), _CMP_GT_OQ);
                        beyond = (unsigned)_mm256_movemask_ps(_mm256_or_ps(under, over));
                    }
                } else
#endif
                {
                    for (k = 0; k < l->most; k++, t += 8 * l->bytes)
                        for (j = 0; j < here; j++) bits ^= (unsigned)(x[8 * b + j] >= t[j]) << j;
                    if (l->low)
                        for (j = 0; j < here; j++)
                            beyond |= (unsigned)(x[8 * b + j] < l->low[8 * b + j] || x[8 * b + j] > l->high[8 * b + j]) << j;
                }
            }
            if (beyond && l->direct)
                for (j = 0; j < here; j++)
                    if (beyond >> j & 1u) {
                        bits &= ~(1u << j);
                        bits |= (unsigned)l->direct(x[8 * b + j], 8 * b + j) << j;
                    }
            *out++ = (uint8_t)bits;
        }
}
