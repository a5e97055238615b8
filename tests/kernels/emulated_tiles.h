/* SPDX-License-Identifier: Apache-2.0
 *
 * A tile unit in plain C in place of the processor's, for sources that are compiled over it.
 */
#ifndef KT_EMULATED_TILES_H
#define KT_EMULATED_TILES_H

#define WNI_TILES_EMULATED
#include "kernels/tiles.h"

void kt_tile_shape(const wni_tile_shapes *s);
void kt_tile_load(int t, const void *from, int64_t stride);
void kt_tile_store(int t, void *to, int64_t stride);
void kt_tile_dot8(int sums, int a, int b);
void kt_tile_dot16(int sums, int a, int b);
void kt_tile_release(void);

#define WNI_TILE_FENCE(p)              ((void)(p))
#define WNI_TILE_SHAPE(s)              kt_tile_shape(s)
#define WNI_TILE_LOAD(t, from, stride) kt_tile_load(t, from, stride)
#define WNI_TILE_STORE(t, to, stride)  kt_tile_store(t, to, stride)
#define WNI_TILE_DOT8(sums, a, b)      kt_tile_dot8(sums, a, b)
#define WNI_TILE_DOT16(sums, a, b)     kt_tile_dot16(sums, a, b)
#define WNI_TILE_RELEASE()             kt_tile_release()

#endif
