/* SPDX-License-Identifier: Apache-2.0 */
#define EXPSUM(name) wni_##name##_neon
#define WIDTH        2
#include "kernels/expsum/expsum_body.h"
