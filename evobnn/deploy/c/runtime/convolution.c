typedef struct {
    int height, width, channels;    /* of the map that is read */
    int filters, groups, rows, columns, down, right, dilation, top, left;
    const float *weights;           /* input channel of a group, row, column, filter */
    const float *bias;
} real_layer;

/* One row of a real-valued convolution. Each sum goes over input channels, rows and columns in this order. */
static void real_row(const real_layer *l, const float *x, int y, int columns, float *EVOBNN_APART out)
{
    const int inputs = l->channels / l->groups, filters = l->filters / l->groups;
    int column, c, i, j, g, f;
    for (column = 0; column < columns; column++, out += l->filters) {
        const float *w = l->weights;
        for (f = 0; f < l->filters; f++) out[f] = 0.0f;
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
                        for (f = g * filters; f < (g + 1) * filters; f++) out[f] += value * w[f];
                    }
                }
            }
        if (l->bias)
            for (f = 0; f < l->filters; f++) out[f] += l->bias[f];
    }
}
