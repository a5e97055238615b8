/* SPDX-License-Identifier: Apache-2.0
 *
 * One constant table per level: the base variants first, then each level's own laid over them.
 */
#include "base/ctx_impl.h"
#include "kernels/variants.h"

/* Laying one initialiser over another is the point here. */
#pragma GCC diagnostic ignored "-Woverride-init"

#define WNI_KERNEL(ret, name, args) .name = wni_##name##_oracle,
static const wni_kernels oracle = {
#include "kernels/kernels.def"
};
#undef WNI_KERNEL

#define WNI_KERNEL(ret, name, args) .name = wni_##name##_base,

#if defined(__x86_64__)
#define WNI_AVX2(name)   .name = wni_##name##_avx2,
#define WNI_AVX512(name) .name = wni_##name##_avx512,
#define WNI_VNNI(name)   .name = wni_##name##_vnni,
#define WNI_BF16(name)   .name = wni_##name##_bf16,
#define WNI_AMX(name)    .name = wni_##name##_amx,

static const wni_kernels level_amx = {
#include "kernels/kernels.def"
};
#undef WNI_AMX

static const wni_kernels level_bf16 = {
#include "kernels/kernels.def"
};
#undef WNI_BF16

static const wni_kernels level_vnni = {
#include "kernels/kernels.def"
};
#undef WNI_VNNI

static const wni_kernels level_avx512 = {
#include "kernels/kernels.def"
};
#undef WNI_AVX512

static const wni_kernels level_avx2 = {
#include "kernels/kernels.def"
};
#undef WNI_AVX2

#elif defined(__aarch64__)
#define WNI_NEON(name) .name = wni_##name##_neon,

static const wni_kernels level_neon = {
#include "kernels/kernels.def"
};
#undef WNI_NEON
#endif

static const wni_kernels level_base = {
#include "kernels/kernels.def"
};
#undef WNI_KERNEL

const wni_kernels *wni_kernels_at(wn_isa isa)
{
    switch ((int)isa) {
#if defined(__x86_64__)
    case WN_ISA_AMX:
        return &level_amx;
    case WN_ISA_BF16:
        return &level_bf16;
    case WN_ISA_VNNI:
        return &level_vnni;
    case WN_ISA_AVX512:
        return &level_avx512;
    case WN_ISA_AVX2:
        return &level_avx2;
#elif defined(__aarch64__)
    case WN_ISA_NEON:
        return &level_neon;
#endif
    default:
        return &level_base;
    }
}

const wni_kernels *wni_kernels_of(const wn_ctx *ctx)
{
    return wni_kernels_at(ctx->isa);
}

const wni_kernels *wni_kernels_oracle(void)
{
    return &oracle;
}
