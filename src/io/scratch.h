/* SPDX-License-Identifier: Apache-2.0
 *
 * What does not fit in memory: files without a name in a folder of the run, gone when they are freed or when
 * the process ends, however it ends.
 */
#ifndef WNI_SCRATCH_H
#define WNI_SCRATCH_H

#include "base/ctx_impl.h"
#include "ds/keyed.h"

/* ---- a file -------------------------------------------------------------------------------------- */

typedef struct wni_scratch wni_scratch;

wn_status wni_scratch_new(wn_ctx *ctx, const char *folder, wni_scratch **out);
void wni_scratch_free(wni_scratch *scratch); /* NULL ok */
wn_status wni_scratch_write(wni_scratch *scratch, int64_t at, const void *data, int64_t bytes);
wn_status wni_scratch_read(wni_scratch *scratch, int64_t at, void *data, int64_t bytes);
/* The first `bytes` as memory that may be written; once, valid until the scratch is freed. Room on the disk is
 * taken now, so that a full disk is an error here and not a signal later. */
wn_status wni_scratch_map(wni_scratch *scratch, int64_t bytes, void **data);

/* ---- an array that grows ------------------------------------------------------------------------- */

/* Bytes that are added at the end: in memory up to memory_bytes, then in a file. Without a folder always in
 * memory, as far as the budget goes. Only from the calling thread. */
typedef struct wni_store wni_store;

wn_status wni_store_new(wn_ctx *ctx, const char *folder, int64_t memory_bytes, wni_store **out);
void wni_store_free(wni_store *store); /* NULL ok */
wn_status wni_store_add(wni_store *store, const void *data, int64_t bytes);
int64_t wni_store_bytes(const wni_store *store);
/* Ends the growing: everything as one array, which may be written and goes with the store. */
wn_status wni_store_data(wni_store *store, void **data);

/* ---- sorting ------------------------------------------------------------------------------------- */

/* Keyed entries, added in any order, that come back ascending by key and row. More than memory_bytes allow
 * are parted by their top bits into a file and sorted part by part, so keys should use all 64 bits. Entries
 * of one key are never parted. Only from the calling thread; sorting uses all. */
typedef struct wni_spill wni_spill;

wn_status wni_spill_new(wn_ctx *ctx, const char *folder, int64_t most, int64_t memory_bytes,
                        wni_spill **out);
void wni_spill_free(wni_spill *spill);                                    /* NULL ok */
wn_status wni_spill_add(wni_spill *spill, const wni_keyed *v, int64_t n); /* `most` in all */
/* The next part, sorted, valid until the next call; *v NULL at the end. */
wn_status wni_spill_next(wni_spill *spill, wni_keyed **v, int64_t *n);
/* After the end: next gives the first part again. */
void wni_spill_rewind(wni_spill *spill);
/* What a spill of so many entries takes when it may have memory_bytes: more where it cannot do with less. */
int64_t wni_spill_bytes(int64_t most, int64_t memory_bytes);
/* Parts of the file; 1 = all in memory. */
int64_t wni_spill_parts(const wni_spill *spill);

#endif
