static void relu_row(const float *x, int n, float *EVOBNN_APART out)
{
    int p;
    for (p = 0; p < n; p++) out[p] = x[p] > 0.0f ? x[p] : 0.0f;
}
