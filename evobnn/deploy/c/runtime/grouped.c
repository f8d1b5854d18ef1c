/* The bits of a group below a window, tap after tap, close together; which of them lie inside, and how many do. */
static int group_window(const binary_layer *l, const uint8_t *x, int y, int column, int first, uint32_t *EVOBNN_APART seen, uint32_t *EVOBNN_APART inside)
{
    const int inputs = l->channels / l->groups;
    int down, right, c, here = 0;
    packer p, q;
    p.to = seen, q.to = inside;
    p.bits = q.bits = 0;
    p.have = q.have = 0;
    for (down = 0; down < l->kernel; down++) {
        const int i = y * l->stride - l->border + down * l->dilation;
        for (right = 0; right < l->kernel; right++) {
            const int j = column * l->stride - l->border + right * l->dilation;
            const int there = i >= 0 && i < l->height && j >= 0 && j < l->width;
            const uint8_t *pixel = there ? x + ((long)i * l->width + j) * l->bytes : x;
            const int counts = there || !l->zeros;
            here += counts ? inputs : 0;
            for (c = 0; c < inputs; c += 24) {
                const int from = first + c, count = inputs - c < 24 ? inputs - c : 24;
                const uint32_t all = 0xffffffffu >> (32 - count);
                pack(&p, there ? read_word(pixel + (from >> 3)) >> (from & 7) & all : 0u, count);
                pack(&q, counts ? all : 0u, count);
            }
        }
    }
    pack_rest(&p);
    pack_rest(&q);
    return here;
}

/* One row of a binary convolution in groups. */
static void grouped_row(const binary_layer *l, const uint8_t *x, int y, int columns, float *EVOBNN_APART out)
{
    uint32_t seen[EVOBNN_WINDOW], inside[EVOBNN_WINDOW];
    const int filters = l->filters / l->groups, words = l->words;
    int column, g, f, n;
    for (column = 0; column < columns; column++) {
        const uint32_t *w = l->weights;
        for (g = 0; g < l->groups; g++) {
            const int here = group_window(l, x, y, column, g * (l->channels / l->groups), seen, inside);
            for (f = 0; f < filters; f++, w += words) {
                int count = 0;
                for (n = 0; n < words; n++) count += popcount((w[n] ^ seen[n]) & inside[n]);
                *out++ = (float)(here - 2 * count);
            }
        }
    }
}
