static void affine_row(const float *x, int n, int c, const float *factor, const float *offset, float *EVOBNN_APART out)
{
    int p, k;
    for (p = 0; p < n; p++, x += c, out += c)
        for (k = 0; k < c; k++) out[k] = x[k] * factor[k] + offset[k];
}
