/* Whether all taps of a window lie inside the map. */
static int all_inside(const binary_layer *l, int y, int column)
{
    const int span = l->dilation * (l->kernel - 1);
    const int i = y * l->stride - l->border, j = column * l->stride - l->border;
    return i >= 0 && j >= 0 && i + span < l->height && j + span < l->width;
}

/* Bytes of a map; up to three behind them are read, too, and left out. */
static inline void pack_bytes(packer *p, const uint8_t *from, int bytes)
{
    for (; bytes >= 4; bytes -= 4, from += 4) pack(p, read_word(from), 32);
    if (bytes > 0) pack(p, read_word(from) & (0xffffffffu >> (32 - 8 * bytes)), 8 * bytes);
}

/* The bits below a window, tap after tap, each from a byte of its own on. */
static void window_inside(const binary_layer *l, const uint8_t *x, int y, int column, uint32_t *EVOBNN_APART seen)
{
    const int i = y * l->stride - l->border, j = column * l->stride - l->border;
    const int kernel = l->kernel, together = l->dilation == 1 ? 1 : kernel;
    const int bytes = together == 1 ? kernel * l->bytes : l->bytes;
    const long step = (long)l->dilation * l->bytes, line = step * l->width;
    const uint8_t *row = x + ((long)i * l->width + j) * l->bytes;
    int down, right, b;
    if (bytes % 4 == 0) {
        for (down = 0; down < kernel; down++, row += line)
            for (right = 0; right < together; right++)
                for (b = 0; b < bytes; b += 4) *seen++ = read_word(row + right * step + b);
    } else {
        packer p;
        p.to = seen, p.bits = 0, p.have = 0;
        for (down = 0; down < kernel; down++, row += line)
            for (right = 0; right < together; right++) pack_bytes(&p, row + right * step, bytes);
        pack_rest(&p);
    }
}

/* Zeros in place of so many bytes. */
static inline void pack_zeros(packer *p, int bytes)
{
    for (; bytes >= 4; bytes -= 4) pack(p, 0u, 32);
    if (bytes > 0) pack(p, 0u, 8 * bytes);
}

/* Ones for the channels of a pixel. */
static inline void pack_ones(packer *p, int channels, int bytes)
{
    for (; bytes > 4; bytes -= 4, channels -= 32) pack(p, 0xffffffffu, 32);
    pack(p, 0xffffffffu >> (32 - channels), 8 * bytes);
}

/* The same at an edge: beyond the map the bits are 0, and so is `inside`, which is wanted where borders are zeros.
   Returns how many terms a sum has. */
static int window_at_edge(const binary_layer *l, const uint8_t *x, int y, int column, uint32_t *EVOBNN_APART seen, uint32_t *EVOBNN_APART inside)
{
    const int kernel = l->kernel, step = l->dilation, bytes = l->bytes, zeros = l->zeros;
    const int left = column * l->stride - l->border;
    int first = 0, end = kernel, down, right, here = 0;
    packer p, q;
    p.to = seen, q.to = inside;
    p.bits = q.bits = 0;
    p.have = q.have = 0;
    while (first < kernel && left + first * step < 0) first++;
    while (end > first && left + (end - 1) * step >= l->width) end--;
    for (down = 0; down < kernel; down++) {
        const int i = y * l->stride - l->border + down * step;
        const int there = i >= 0 && i < l->height;
        const int from = there ? first : kernel, to = there ? end : kernel;
        const uint8_t *row = x + (there ? ((long)i * l->width + left) * bytes : 0);
        pack_zeros(&p, from * bytes);
        if (step == 1)
            pack_bytes(&p, row + from * bytes, (to - from) * bytes);
        else
            for (right = from; right < to; right++) pack_bytes(&p, row + (long)right * step * bytes, bytes);
        pack_zeros(&p, (kernel - to) * bytes);
        if (!zeros) continue;
        here += (to - from) * l->channels;
        pack_zeros(&q, from * bytes);
        for (right = from; right < to; right++) pack_ones(&q, l->channels, bytes);
        pack_zeros(&q, (kernel - to) * bytes);
    }
    pack_rest(&p);
    if (!zeros) return kernel * kernel * l->channels;
    pack_rest(&q);
    return here;
}
