#include "model.h"

#include <stdint.h>
#include <string.h>

/* Products are rounded before they are added: what a fused multiply-add gives would be other numbers. */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#elif defined(_MSC_VER)
#pragma fp_contract(off)
#endif

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "Expected a processor that stores the lowest byte first, got another one."
#endif

#if defined(__AVX2__) && !defined(EVOBNN_PORTABLE)
#include <immintrin.h>
#define EVOBNN_AVX2 1
#elif defined(__ARM_NEON) && defined(__aarch64__) && !defined(EVOBNN_PORTABLE)
#include <arm_neon.h>
#define EVOBNN_NEON 1
#endif

/* What is written never lies where something is read. */
#if defined(__GNUC__)
#define EVOBNN_APART __restrict__
#define EVOBNN_PERHAPS __attribute__((unused))
#else
#define EVOBNN_APART
#define EVOBNN_PERHAPS
#endif

/* Each layer is compiled for its own sizes, which takes up more code, so not where that is to be small. */
#if defined(__GNUC__) && defined(__OPTIMIZE__) && !defined(__OPTIMIZE_SIZE__)
#define EVOBNN_EACH __attribute__((flatten))
#else
#define EVOBNN_EACH
#endif

#ifdef EVOBNN_TRACE
/* Sees the bits of every site, channel 0 lowest, each pixel from a byte of its own on. */
#ifdef __cplusplus
extern "C"
#endif
    void
    evobnn_trace(int site, const uint8_t *bits, unsigned long bytes);
#endif
