typedef struct {
    int height, width;              /* of the map that is read */
    int channels, bytes;            /* of a pixel of it */
    int filters, groups, words;     /* words of a window, or of a group's part of it */
    int kernel, stride, dilation, border, zeros;
    const uint32_t *weights;
} binary_layer;

/* The bits below a window, tap after tap, each from a byte of its own on; beyond the map they are 0, and so is `inside`. */
static void window_of(const binary_layer *l, const uint8_t *x, int y, int column, uint32_t *seen, uint32_t *inside)
{
    uint8_t *to = (uint8_t *)seen, *in = (uint8_t *)inside;
    const int left = column * l->stride - l->border;
    const uint8_t last = (uint8_t)(0xff >> ((8 - l->channels % 8) % 8));
    int down, right;
    seen[l->words - 1] = 0;
    if (inside) inside[l->words - 1] = 0;
    for (down = 0; down < l->kernel; down++) {
        const int i = y * l->stride - l->border + down * l->dilation;
        const uint8_t *row = x + (long)i * l->width * l->bytes;
        for (right = 0; right < l->kernel; right++) {
            const int j = left + right * l->dilation;
            const int there = i >= 0 && i < l->height && j >= 0 && j < l->width;
            int b;
            for (b = 0; b < l->bytes; b++) to[b] = there ? row[j * l->bytes + b] : 0;
            to += l->bytes;
            if (inside) {
                memset(in, there ? 0xff : 0, (size_t)l->bytes);
                if (there) in[l->bytes - 1] = last;
                in += l->bytes;
            }
        }
    }
}

/* Whether all taps of a window lie inside the map. */
static int all_inside(const binary_layer *l, int y, int column)
{
    const int span = l->dilation * (l->kernel - 1);
    const int i = y * l->stride - l->border, j = column * l->stride - l->border;
    return i >= 0 && j >= 0 && i + span < l->height && j + span < l->width;
}
