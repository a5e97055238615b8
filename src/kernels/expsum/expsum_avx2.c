/* SPDX-License-Identifier: Apache-2.0 */
#define EXPSUM(name) wni_##name##_avx2
#define WIDTH        4
#include "kernels/expsum/expsum_body.h"
