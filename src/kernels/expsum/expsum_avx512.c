/* SPDX-License-Identifier: Apache-2.0 */
#define EXPSUM(name) wni_##name##_avx512
#define WIDTH        8
#include "kernels/expsum/expsum_body.h"
