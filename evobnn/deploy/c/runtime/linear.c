/* Features are read channel by channel, as (channels, height, width). */
static void linear(const float *x, int pixels, int c, int classes, const float *weights, const float *bias, float *EVOBNN_APART out)
{
    int k, p, n;
    for (n = 0; n < classes; n++) out[n] = 0.0f;
    for (k = 0; k < c; k++)
        for (p = 0; p < pixels; p++, weights += classes)
            for (n = 0; n < classes; n++) out[n] += x[(long)p * c + k] * weights[n];
    for (n = 0; n < classes; n++) out[n] += bias[n];
}
