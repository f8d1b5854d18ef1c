static void expression_row(const float *x, int n, int c, float (*a)(float, int), float *EVOBNN_APART out)
{
    int p, k;
    for (p = 0; p < n; p++, x += c, out += c)
        for (k = 0; k < c; k++) out[k] = a(x[k], k);
}
