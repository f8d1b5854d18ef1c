static void mean_parts_row(const float *x, int height, int width, int c, int parts, int y, float *EVOBNN_APART out)
{
    const int top = y * height / parts, bottom = ((y + 1) * height + parts - 1) / parts;
    int n, i, j, k;
    for (n = 0; n < parts; n++, out += c) {
        const int left = n * width / parts, right = ((n + 1) * width + parts - 1) / parts;
        for (k = 0; k < c; k++) out[k] = 0.0f;
        for (i = top; i < bottom; i++)
            for (j = left; j < right; j++)
                for (k = 0; k < c; k++) out[k] += x[((long)i * width + j) * c + k];
        for (k = 0; k < c; k++) out[k] /= (float)((bottom - top) * (right - left));
    }
}
