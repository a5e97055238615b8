/* SPDX-License-Identifier: Apache-2.0
 *
 * The k best of a stream of (score, number): a heap with its worst at the root, in arrays of the caller.
 * Higher scores are better; at a tie the smaller number is. What is kept does not depend on the order in
 * which entries come, as long as numbers differ. No NaN.
 */
#ifndef WNI_TOPK_H
#define WNI_TOPK_H

#include <stdint.h>

/* Offers an entry to the heap score/at of k places, k >= 1, of which *size are in use. */
void wni_topk_push(float *score, int64_t *at, int64_t k, int64_t *size, float s, int64_t number);

/* Turns the heap of `size` entries into a list, best first. */
void wni_topk_sort(float *score, int64_t *at, int64_t size);

#endif
