/* Channels of a row as channels `at` and the following of a wider one. */
static void place_row(const float *x, int n, int c, int at, int wide, float *EVOBNN_APART out)
{
    int p, k;
    for (p = 0; p < n; p++, x += c, out += wide)
        for (k = 0; k < c; k++) out[at + k] = x[k];
}
