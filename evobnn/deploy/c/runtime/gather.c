static void gather_row(const float *x, int n, int c, int wide, const uint16_t *channels, float *EVOBNN_APART out)
{
    int p, k;
    for (p = 0; p < n; p++, x += c, out += wide)
        for (k = 0; k < wide; k++) out[k] = x[channels[k]];
}
