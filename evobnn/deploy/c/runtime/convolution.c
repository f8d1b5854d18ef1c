typedef struct {
    int height, width, channels;    /* of the map that is read */
    int filters, groups, rows, columns, down, right, dilation, top, left;
    const float *weights;           /* input channel of a group, row, column, filter */
    const float *bias;
} real_layer;

#if defined(EVOBNN_AVX2)
/* The sums of 8 * vectors filters from filter f on, up to 32, at one pixel. */
static inline void real_sums(const real_layer *l, const float *x, int y, int column, int f, const int vectors, float *EVOBNN_APART out)
{
    const int row = y * l->down - l->top, at = column * l->right - l->left;
    __m256 sums[4];
    int c, i, j, v;
    for (v = 0; v < vectors; v++) sums[v] = _mm256_setzero_ps();
    for (c = 0; c < l->channels; c++)
        for (i = 0; i < l->rows; i++) {
            const int r = row + i * l->dilation;
            const float *w = l->weights + (long)(c * l->rows + i) * l->columns * l->filters + f;
            const float *pixel = x + (r < 0 ? 0 : (long)r * l->width * l->channels) + c;
            if (r < 0 || r >= l->height) continue;
            for (j = 0; j < l->columns; j++, w += l->filters) {
                const int p = at + j * l->dilation;
                __m256 value;
                if (p < 0 || p >= l->width) continue;
                value = _mm256_set1_ps(pixel[(long)p * l->channels]);
                for (v = 0; v < vectors; v++)
                    sums[v] = _mm256_add_ps(sums[v], _mm256_mul_ps(value, _mm256_loadu_ps(w + 8 * v)));
            }
        }
    for (v = 0; v < vectors; v++) {
        if (l->bias) sums[v] = _mm256_add_ps(sums[v], _mm256_loadu_ps(l->bias + f + 8 * v));
        _mm256_storeu_ps(out + f + 8 * v, sums[v]);
    }
}
#endif

/* The sums at one pixel from filter f of each group on. */
static void real_pixel(const real_layer *l, const float *x, int y, int column, int first, float *EVOBNN_APART out)
{
    const int inputs = l->channels / l->groups, filters = l->filters / l->groups;
    const float *w = l->weights;
    int c, i, j, g, f;
    for (f = first; f < l->filters; f++) out[f] = 0.0f;
    for (c = 0; c < inputs; c++)
        for (i = 0; i < l->rows; i++) {
            const int row = y * l->down - l->top + i * l->dilation;
            for (j = 0; j < l->columns; j++, w += l->filters) {
                const int at = column * l->right - l->left + j * l->dilation;
                const float *pixel;
                if (row < 0 || row >= l->height || at < 0 || at >= l->width) continue;
                pixel = x + ((long)row * l->width + at) * l->channels + c;
                for (g = 0; g < l->groups; g++) {
                    const float value = pixel[g * inputs];
                    for (f = g * filters + first; f < (g + 1) * filters; f++) out[f] += value * w[f];
                }
            }
        }
    if (l->bias)
        for (f = first; f < l->filters; f++) out[f] += l->bias[f];
}

/* One row of a real-valued convolution. Each sum goes over input channels, rows and columns in this order. */
static void real_row(const real_layer *l, const float *x, int y, int columns, float *EVOBNN_APART out)
{
    int column;
    for (column = 0; column < columns; column++, out += l->filters) {
        int f = 0;
#if defined(EVOBNN_AVX2)
        if (l->groups == 1) {
            for (; f + 32 <= l->filters; f += 32) real_sums(l, x, y, column, f, 4, out);
            for (; f + 16 <= l->filters; f += 16) real_sums(l, x, y, column, f, 2, out);
            for (; f + 8 <= l->filters; f += 8) real_sums(l, x, y, column, f, 1, out);
        }
#endif
        if (f < l->filters) real_pixel(l, x, y, column, f, out);
    }
}
