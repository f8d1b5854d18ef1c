/* One row of grey values (channels, height, width) as (columns, channels) real numbers. */
static void normalise_row(const uint8_t *x, int plane, int n, int c, const float *mean, const float *deviation, float *EVOBNN_APART out)
{
    int p, k;
    for (p = 0; p < n; p++)
        for (k = 0; k < c; k++) *out++ = ((float)x[(long)k * plane + p] - mean[k]) / deviation[k];
}
