/* SPDX-License-Identifier: Apache-2.0
 *
 * Four elements at a time; sources may start at any byte, hence loads of bytes. The rest is the base
 * variant's.
 */
#include <arm_neon.h>
#include <string.h>

#include "kernels/variants.h"

static inline float32x4_t f16_at(const uint8_t *p)
{
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p)));
}

static inline float32x4_t bf16_at(const uint8_t *p)
{
    return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(p)), 16));
}

static inline float32x4_t i8_at(const uint8_t *p)
{
    int8_t four[8] = {0};

    memcpy(four, p, 4);
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vld1_s8(four)))));
}

static inline float32x4_t u8_at(const uint8_t *p)
{
    uint8_t four[8] = {0};

    memcpy(four, p, 4);
    return vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vld1_u8(four)))));
}

static inline float32x4_t f64_at(const uint8_t *p)
{
    float64x2_t low = vreinterpretq_f64_u8(vld1q_u8(p));
    float64x2_t high = vreinterpretq_f64_u8(vld1q_u8(p + 16));

    return vcvt_high_f32_f64(vcvt_f32_f64(low), high);
}

static inline float32x4_t i32_at(const uint8_t *p)
{
    return vcvtq_f32_s32(vreinterpretq_s32_u8(vld1q_u8(p)));
}

#define WIDEN(type, element_bytes)                                                         \
    void wni_widen_##type##_neon(const void *src, float *dst, int64_t count)               \
    {                                                                                      \
        const uint8_t *p = src;                                                            \
        int64_t i = 0;                                                                     \
                                                                                           \
        for (; i + 4 <= count; i += 4)                                                     \
            vst1q_f32(dst + i, type##_at(p + element_bytes * i));                          \
        if (i < count) wni_widen_##type##_base(p + element_bytes * i, dst + i, count - i); \
    }

WIDEN(f16, 2)
WIDEN(bf16, 2)
WIDEN(i8, 1)
WIDEN(u8, 1)
WIDEN(f64, 8)
WIDEN(i32, 4)
