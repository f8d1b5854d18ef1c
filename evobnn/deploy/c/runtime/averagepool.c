static void mean_row(const float *x, int height, int width, int c, int kernel, int stride, int before, int y, int columns, float *EVOBNN_APART out)
{
    int column, i, j, k;
    for (column = 0; column < columns; column++, out += c) {
        int count = 0;
        for (k = 0; k < c; k++) out[k] = 0.0f;
        for (i = y * stride - before; i < y * stride - before + kernel; i++)
            for (j = column * stride - before; j < column * stride - before + kernel; j++) {
                const float *pixel;
                if (i < 0 || i >= height || j < 0 || j >= width) continue;
                pixel = x + ((long)i * width + j) * c;
                for (k = 0; k < c; k++) out[k] += pixel[k];
                count++;
            }
        for (k = 0; k < c; k++) out[k] /= (float)count;
    }
}
