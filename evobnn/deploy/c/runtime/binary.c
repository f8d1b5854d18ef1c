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

/* One or two times eight filters side by side: the sums of one window, terms less twice the number of differing bits.
   A byte of counts has room for 31 words. */
static inline void filter_sums(const uint32_t *w, const uint32_t *seen, const uint32_t *inside, int words, int terms, const int eights, float *EVOBNN_APART out)
{
#if defined(EVOBNN_AVX2)
    const __m256i ones8 = _mm256_set1_epi8(1), ones16 = _mm256_set1_epi16(1);
    __m256i total[2];
    int n = 0, e;
    total[0] = total[1] = _mm256_setzero_si256();
    while (n < words) {
        const int stop = words - n < 31 ? words : n + 31;
        __m256i bytes[2];
        bytes[0] = bytes[1] = _mm256_setzero_si256();
        for (; n < stop; n++) {
            const __m256i bits = _mm256_set1_epi32((int)seen[n]);
            for (e = 0; e < eights; e++) {
                __m256i d = _mm256_loadu_si256((const __m256i *)(const void *)(w + 8 * ((long)e * words + n)));
                d = _mm256_xor_si256(d, bits);
                if (inside) d = _mm256_and_si256(d, _mm256_set1_epi32((int)inside[n]));
                bytes[e] = _mm256_add_epi8(bytes[e], bits_of_bytes(d));
            }
        }
        for (e = 0; e < eights; e++)
            total[e] = _mm256_add_epi32(total[e], _mm256_madd_epi16(_mm256_maddubs_epi16(bytes[e], ones8), ones16));
    }
    for (e = 0; e < eights; e++) {
        const __m256i sums = _mm256_sub_epi32(_mm256_set1_epi32(terms), _mm256_slli_epi32(total[e], 1));
        _mm256_storeu_ps(out + 8 * e, _mm256_cvtepi32_ps(sums));
    }
#elif defined(EVOBNN_NEON)
    uint32x4_t total[4];
    int half, n;
    for (half = 0; half < 2 * eights; half++) total[half] = vdupq_n_u32(0);
    for (n = 0; n < words; n++)
        for (half = 0; half < 2 * eights; half++) {
            const uint32_t *from = w + 8 * ((long)(half / 2) * words + n) + 4 * (half % 2);
            uint32x4_t d = veorq_u32(vld1q_u32(from), vdupq_n_u32(seen[n]));
            if (inside) d = vandq_u32(d, vdupq_n_u32(inside[n]));
            total[half] = vpadalq_u16(total[half], vpaddlq_u8(vcntq_u8(vreinterpretq_u8_u32(d))));
        }
    for (half = 0; half < 2 * eights; half++) {
        const int32x4_t count = vreinterpretq_s32_u32(total[half]);
        vst1q_f32(out + 4 * half, vcvtq_f32_s32(vsubq_s32(vdupq_n_s32(terms), vshlq_n_s32(count, 1))));
    }
#else
    int f, n;
    for (f = 0; f < 8 * eights; f++) {
        const uint32_t *own = w + (f < 8 ? f : 8 * words + f - 8);
        int count = 0;
        if (inside)
            for (n = 0; n < words; n++) count += popcount((own[8 * n] ^ seen[n]) & inside[n]);
        else
            for (n = 0; n < words; n++) count += popcount(own[8 * n] ^ seen[n]);
        out[f] = (float)(terms - 2 * count);
    }
#endif
}

/* The sums of all filters of a layer. */
static inline void window_sums(const binary_layer *l, const uint32_t *seen, const uint32_t *inside, int terms, float *EVOBNN_APART out)
{
    const int words = l->words, rest = l->filters % 8, full = l->filters - rest;
    const uint32_t *w = l->weights;
    int f;
    for (f = 0; f + 16 <= full; f += 16, w += 16 * words) filter_sums(w, seen, inside, words, terms, 2, out + f);
    for (; f < full; f += 8, w += 8 * words) filter_sums(w, seen, inside, words, terms, 1, out + f);
    if (rest) {
        float last[8];
        filter_sums(w, seen, inside, words, terms, 1, last);
        memcpy(out + full, last, sizeof(float) * (size_t)rest);
    }
}

/* One row of a binary convolution, (columns, filters). */
static void binary_row(const binary_layer *l, const uint8_t *x, int y, int columns, float *EVOBNN_APART out)
{
    uint32_t seen[EVOBNN_WINDOW], inside[EVOBNN_WINDOW];
    const int terms = l->kernel * l->kernel * l->channels;
    int column;
    for (column = 0; column < columns; column++, out += l->filters)
        if (all_inside(l, y, column)) {
            window_inside(l, x, y, column, seen);
            window_sums(l, seen, 0, terms, out);
        } else {
            const int here = window_at_edge(l, x, y, column, seen, inside);
            if (l->zeros)
                window_sums(l, seen, inside, here, out);
            else
                window_sums(l, seen, 0, terms, out);
        }
}
