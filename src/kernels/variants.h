/* SPDX-License-Identifier: Apache-2.0
 *
 * Prototypes of every variant; which of them exist stands in kernels.def. Only kernels include this.
 */
#ifndef WNI_VARIANTS_H
#define WNI_VARIANTS_H

#include "kernels/kernels.h"

#define WNI_LANES 16

#define WNI_KERNEL(ret, name, args) \
    ret wni_##name##_oracle args;   \
    ret wni_##name##_base args;     \
    ret wni_##name##_avx2 args;     \
    ret wni_##name##_avx512 args;   \
    ret wni_##name##_vnni args;     \
    ret wni_##name##_bf16 args;     \
    ret wni_##name##_amx args;      \
    ret wni_##name##_neon args;
#include "kernels/kernels.def"
#undef WNI_KERNEL

#endif
