typedef struct {
    int height, width;              /* of the map that is read */
    int channels, bytes;            /* of a pixel of it */
    int filters, groups, words;     /* words of a window, or of a group's part of it */
    int kernel, stride, dilation, border, zeros;
    const uint32_t *weights;
    const uint8_t *taps;            /* of a depthwise one in place of words: a bit of every channel, tap after tap */
} binary_layer;
