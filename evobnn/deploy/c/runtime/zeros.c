static void zeros_row(int n, float *EVOBNN_APART out)
{
    int p;
    for (p = 0; p < n; p++) out[p] = 0.0f;
}
