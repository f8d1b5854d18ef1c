/* Bits on their way into words: those of the next one that are there already. */
typedef struct {
    uint32_t *to;
    uint64_t bits;
    int have;
} packer;

/* At most 32 bits; those above them are 0. */
static inline void pack(packer *p, uint32_t bits, int count)
{
    p->bits |= (uint64_t)bits << p->have;
    p->have += count;
    if (p->have >= 32) {
        *p->to++ = (uint32_t)p->bits;
        p->bits >>= 32;
        p->have -= 32;
    }
}

static inline void pack_rest(packer *p)
{
    if (p->have) *p->to = (uint32_t)p->bits;
}

static inline uint32_t read_word(const uint8_t *from)
{
    uint32_t word;
    memcpy(&word, from, 4);
    return word;
}
