/* SPDX-License-Identifier: Apache-2.0
 *
 * Water-filling: a budget shared among children so that each gets the same until it is full.
 */
#ifndef WNI_WATERFILL_H
#define WNI_WATERFILL_H

#include "ds/keyed.h"

/* share[i] = min(capacity[i], level), where level is the highest that the budget allows; the units left over
 * then go one each to children that are not full, in the order of their random keys (seed, stream, id[i]),
 * ties to the earlier child. The shares add up to the budget, which must be at most the sum of capacities
 * (itself below 2^62). ids are distinct; scratch (m). */
void wni_waterfill(const int64_t *capacity, const int64_t *id, int64_t m, int64_t budget,
                   uint64_t seed, uint64_t stream, int64_t *share, wni_keyed *scratch);

#endif
