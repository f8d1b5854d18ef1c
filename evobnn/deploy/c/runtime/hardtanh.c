static void hardtanh_row(const float *x, int n, float bound, float *EVOBNN_APART out)
{
    int p;
    for (p = 0; p < n; p++) out[p] = x[p] < -bound ? -bound : x[p] > bound ? bound : x[p];
}
