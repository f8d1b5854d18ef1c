#if defined(EVOBNN_AVX2)
static inline __m256i bits_of_bytes(__m256i x)
{
    const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,
                                           0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i low = _mm256_set1_epi8(15);
    const __m256i a = _mm256_shuffle_epi8(table, _mm256_and_si256(x, low));
    const __m256i b = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(x, 4), low));
    return _mm256_add_epi8(a, b);
}
#endif

/* Eight filters side by side: the sums of one window, terms less twice the number of differing bits. */
static void eight_sums(const uint32_t *w, const uint32_t *seen, const uint32_t *inside, int words, int terms, float *EVOBNN_APART out)
{
#if defined(EVOBNN_AVX2)
    const __m256i ones8 = _mm256_set1_epi8(1), ones16 = _mm256_set1_epi16(1);
    __m256i total = _mm256_setzero_si256();
    int n = 0;
    while (n < words) {
        const int stop = n + 31 < words ? n + 31 : words;
        __m256i bytes = _mm256_setzero_si256();
        for (; n < stop; n++) {
            __m256i d = _mm256_loadu_si256((const __m256i *)(const void *)(w + 8 * n));
            d = _mm256_xor_si256(d, _mm256_set1_epi32((int)seen[n]));
            if (inside) d = _mm256_and_si256(d, _mm256_set1_epi32((int)inside[n]));
            bytes = _mm256_add_epi8(bytes, bits_of_bytes(d));
        }
        total = _mm256_add_epi32(total, _mm256_madd_epi16(_mm256_maddubs_epi16(bytes, ones8), ones16));
    }
    total = _mm256_sub_epi32(_mm256_set1_epi32(terms), _mm256_slli_epi32(total, 1));
    _mm256_storeu_ps(out, _mm256_cvtepi32_ps(total));
#elif defined(EVOBNN_NEON)
    uint32x4_t total[2];
    int half, n;
    total[0] = total[1] = vdupq_n_u32(0);
    for (n = 0; n < words; n++)
        for (half = 0; half < 2; half++) {
            uint32x4_t d = veorq_u32(vld1q_u32(w + 8 * n + 4 * half), vdupq_n_u32(seen[n]));
            if (inside) d = vandq_u32(d, vdupq_n_u32(inside[n]));
            total[half] = vpadalq_u16(total[half], vpaddlq_u8(vcntq_u8(vreinterpretq_u8_u32(d))));
        }
    for (half = 0; half < 2; half++) {
        const int32x4_t count = vreinterpretq_s32_u32(total[half]);
        vst1q_f32(out + 4 * half, vcvtq_f32_s32(vsubq_s32(vdupq_n_s32(terms), vshlq_n_s32(count, 1))));
    }
#else
    int f, n;
    for (f = 0; f < 8; f++) {
        int count = 0;
        if (inside)
            for (n = 0; n < words; n++) count += popcount((w[8 * n + f] ^ seen[n]) & inside[n]);
        else
            for (n = 0; n < words; n++) count += popcount(w[8 * n + f] ^ seen[n]);
        out[f] = (float)(terms - 2 * count);
    }
#endif
}

/* One row of a binary convolution, (columns, filters). */
static void binary_row(const binary_layer *l, const uint8_t *x, int y, int columns, float *EVOBNN_APART out)
{
    uint32_t seen[EVOBNN_WINDOW], inside[EVOBNN_WINDOW];
    const int terms = l->kernel * l->kernel * l->channels, rest = l->filters % 8, full = l->filters - rest;
    int column, f, n;
    for (column = 0; column < columns; column++, out += l->filters) {
        const int whole = all_inside(l, y, column), edge = l->zeros && !whole;
        int here = terms;
        if (whole)
            window_inside(l, x, y, column, seen);
        else
            window_at_edge(l, x, y, column, seen, inside);
        if (edge)
            for (n = 0, here = 0; n < l->words; n++) here += popcount(inside[n]);
        for (f = 0; f < full; f += 8)
            eight_sums(l->weights + (long)f * l->words, seen, edge ? inside : 0, l->words, here, out + f);
        if (rest) {
            float last[8];
            eight_sums(l->weights + (long)full * l->words, seen, edge ? inside : 0, l->words, here, last);
            memcpy(out + full, last, sizeof(float) * (size_t)rest);
        }
    }
}
