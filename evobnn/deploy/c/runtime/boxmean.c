/* Means over 3x3: the middle, what is above and what is below it are added, then three such sums in the same order. */
static void box_row(const float *x, int height, int width, int c, int y, int columns, float *EVOBNN_APART out)
{
    const long line = (long)width * c;
    const int up = y > 0, down = y + 1 < height;
    int column, n, k;
    for (column = 0; column < columns; column++, out += c) {
        static const int order[3] = {0, -1, 1};
        int count = 0;
        for (n = 0; n < 3; n++) {
            const int j = column + order[n];
            const float *middle;
            if (j < 0 || j >= width) continue;
            middle = x + y * line + (long)j * c;
            for (k = 0; k < c; k++) {
                float sum = middle[k];
                if (up) sum += middle[k - line];
                if (down) sum += middle[k + line];
                out[k] = n ? out[k] + sum : sum;
            }
            count += 1 + up + down;
        }
        for (k = 0; k < c; k++) out[k] /= (float)count;
    }
}
