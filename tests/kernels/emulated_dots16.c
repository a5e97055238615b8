/* SPDX-License-Identifier: Apache-2.0
 *
 * dots16 for tiles over the same unit; in a file of its own because it counts in f32.
 */
#include "kernels/emulated_amx.h"
#include "kernels/emulated_tiles.h"

#define wni_dots16_amx kt_dots16_emulated
#include "kernels/dots16/dots16_amx.c"
