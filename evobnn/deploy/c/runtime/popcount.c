EVOBNN_PERHAPS static int popcount(uint32_t x)
{
#if (defined(__POPCNT__) || defined(__aarch64__)) && defined(__GNUC__) && !defined(EVOBNN_PORTABLE)
    return __builtin_popcount(x);
#else
    x -= (x >> 1) & 0x55555555u;
    x = (x & 0x33333333u) + ((x >> 2) & 0x33333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0fu;
    return (int)((x * 0x01010101u) >> 24);
#endif
}
