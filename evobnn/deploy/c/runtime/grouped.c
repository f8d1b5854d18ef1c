/* One row of a binary convolution in groups: the bits of a group are gathered from every tap, close together. */
static void grouped_row(const binary_layer *l, const uint8_t *x, int y, int columns, float *EVOBNN_APART out)
{
    uint32_t seen[EVOBNN_WINDOW], inside[EVOBNN_WINDOW];
    const int inputs = l->channels / l->groups, filters = l->filters / l->groups;
    int column, g, c, f, n;
    for (column = 0; column < columns; column++)
        for (g = 0; g < l->groups; g++) {
            int bit = 0, here = 0, down, right;
            memset(seen, 0, sizeof(uint32_t) * (size_t)l->words);
            memset(inside, 0, sizeof(uint32_t) * (size_t)l->words);
            for (down = 0; down < l->kernel; down++) {
                const int i = y * l->stride - l->border + down * l->dilation;
                for (right = 0; right < l->kernel; right++, bit += inputs) {
                    const int j = column * l->stride - l->border + right * l->dilation;
                    const int there = i >= 0 && i < l->height && j >= 0 && j < l->width;
                    const uint8_t *pixel = there ? x + ((long)i * l->width + j) * l->bytes : x;
                    if (!there && l->zeros) continue;
                    here += inputs;
                    for (c = 0; c < inputs; c++) {
                        const int from = g * inputs + c, to = bit + c;
                        const uint32_t one = there ? (uint32_t)(pixel[from >> 3] >> (from & 7)) & 1u : 0u;
                        seen[to >> 5] |= one << (to & 31);
                        inside[to >> 5] |= 1u << (to & 31);
                    }
                }
            }
            for (f = 0; f < filters; f++) {
                const uint32_t *w = l->weights + (long)(g * filters + f) * l->words;
                int count = 0;
                for (n = 0; n < l->words; n++) count += popcount((w[n] ^ seen[n]) & inside[n]);
                *out++ = (float)(here - 2 * count);
            }
        }
}
