static void max_row(const float *EVOBNN_APART x, int height, int width, int c, int kernel, int stride, int before, int y, int columns, float *EVOBNN_APART out)
{
    int column, i, j, k;
    for (column = 0; column < columns; column++, out += c) {
        int first = 1;
        for (i = y * stride - before; i < y * stride - before + kernel; i++)
            for (j = column * stride - before; j < column * stride - before + kernel; j++) {
                const float *pixel;
                if (i < 0 || i >= height || j < 0 || j >= width) continue;
                pixel = x + ((long)i * width + j) * c;
                if (first)
                    for (k = 0; k < c; k++) out[k] = pixel[k];
                else
                    for (k = 0; k < c; k++) out[k] = pixel[k] > out[k] ? pixel[k] : out[k];
                first = 0;
            }
    }
}
