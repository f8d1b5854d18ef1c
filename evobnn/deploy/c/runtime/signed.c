static void signed_row(const uint8_t *x, int n, int c, int bytes, float *EVOBNN_APART out)
{
    int p, k;
    for (p = 0; p < n; p++, x += bytes)
        for (k = 0; k < c; k++) *out++ = x[k >> 3] >> (k & 7) & 1 ? 1.0f : -1.0f;
}
