#define EVOBNN_LANES 0x0101010101010101u

/* One row of a binary convolution with a filter for each channel: eight channels are counted in the bytes of a word. */
static void depthwise_row(const binary_layer *l, const uint8_t *x, int y, int columns, float *EVOBNN_APART out)
{
    const int bytes = l->bytes;
    int column, b, down, right, k;
    for (column = 0; column < columns; column++)
        for (b = 0; b < bytes; b++) {
            const uint8_t *w = l->taps + b;
            const int channels = l->channels - 8 * b < 8 ? l->channels - 8 * b : 8;
            uint64_t differ = 0;
            int here = 0;
            for (down = 0; down < l->kernel; down++) {
                const int i = y * l->stride - l->border + down * l->dilation;
                for (right = 0; right < l->kernel; right++, w += bytes) {
                    const int j = column * l->stride - l->border + right * l->dilation;
                    const int there = i >= 0 && i < l->height && j >= 0 && j < l->width;
                    uint64_t bits = *w;
                    if (there)
                        bits ^= x[((long)i * l->width + j) * bytes + b];
                    else if (l->zeros)
                        continue;
                    here++;
                    /* Bit k goes to byte k, and there to its lowest bit. */
                    differ += (((bits * EVOBNN_LANES & 0x8040201008040201u) + 0x7f * EVOBNN_LANES) >> 7) & EVOBNN_LANES;
                }
            }
            for (k = 0; k < channels; k++) *out++ = (float)(here - 2 * (int)(differ >> (8 * k) & 255u));
        }
}
