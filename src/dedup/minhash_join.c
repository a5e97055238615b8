/* SPDX-License-Identifier: Apache-2.0
 *
 * Second phase: documents that share a band key stand side by side in a bucket. Keys of one document alone,
 * nearly all, are dropped here.
 */
#include "dedup/minhash_impl.h"

/* Whether anything could go because of these documents, ascending. */
static bool useful(const wni_minhash *m, const wni_keyed *v, int64_t n)
{
    if (n < 2 || v[n - 1].row < m->refs) return false;
    return m->p->within_pool || v[0].row < m->refs;
}

static wn_status add_bucket(wni_minhash *m, const wni_keyed *v, int64_t n)
{
    int64_t at = wni_store_bytes(m->members) / (int64_t)sizeof at;
    wn_status st = WN_OK;

    for (int64_t i = 0; i < n; i++) {
        int64_t member = v[i].row * 2 + (i == 0);
        wni_keyed place = {(uint64_t)v[i].row << m->place_shift, at + i};

        WNI_TRY(wni_store_add(m->members, &member, sizeof member));
        WNI_TRY(wni_spill_add(m->places, &place, 1));
        if ((i & 65535) == 65535) WNI_TRY(wni_poll(m->ctx));
    }
done:
    return st;
}

wn_status wni_minhash_join(wni_minhash *m)
{
    const char *folder = m->in->scratch_dir;
    int64_t most = m->docs * m->bands.count, parts = wni_spill_parts(m->keys);
    int64_t part = 0, n;
    wni_keyed *v;
    wn_status st;

    m->place_shift = 0;
    while (m->place_shift < 63 && (uint64_t)m->docs << m->place_shift >> 63 == 0)
        m->place_shift++;
    WNI_TRY(wni_store_new(m->ctx, folder, m->layout.members, &m->members));
    WNI_TRY(wni_spill_new(m->ctx, folder, most, m->layout.places, &m->places));
    for (;;) {
        wni_progress(m->ctx, "buckets", part++, parts);
        WNI_TRY(wni_poll(m->ctx));
        WNI_TRY(wni_spill_next(m->keys, &v, &n));
        if (!v) break;
        for (int64_t i = 0, j; i < n; i = j) {
            for (j = i + 1; j < n && v[j].key == v[i].key;)
                j++;
            if (useful(m, v + i, j - i)) WNI_TRY(add_bucket(m, v + i, j - i));
            if ((j ^ i) >> 16) WNI_TRY(wni_poll(m->ctx));
        }
    }
done:
    wni_spill_free(m->keys);
    m->keys = NULL;
    return st;
}
