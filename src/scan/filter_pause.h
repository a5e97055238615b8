/* SPDX-License-Identifier: Apache-2.0
 *
 * When to try the filter again after a tile was given back to f32: after 1, 2, 4, ... 32 tiles more, until one
 * goes through. Shared by all workers; it decides on speed only.
 */
#ifndef WNI_FILTER_PAUSE_H
#define WNI_FILTER_PAUSE_H

#include <stdatomic.h>

typedef struct wni_filter_pause {
    atomic_int wait, width; /* tiles */
} wni_filter_pause;

static inline int wni_filter_tries(wni_filter_pause *p)
{
    if (atomic_load(&p->wait) <= 0) return 1;
    atomic_fetch_sub(&p->wait, 1);
    return 0;
}

static inline void wni_filter_worked(wni_filter_pause *p)
{
    if (atomic_load(&p->width) == 0) return;
    atomic_store(&p->width, 0);
    atomic_store(&p->wait, 0);
}

static inline void wni_filter_failed(wni_filter_pause *p)
{
    const int width = atomic_load(&p->width), next = width == 0 ? 1 : width >= 16 ? 32 : 2 * width;

    atomic_store(&p->width, next);
    atomic_store(&p->wait, next);
}

#endif
