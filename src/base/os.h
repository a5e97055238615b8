/* SPDX-License-Identifier: Apache-2.0
 *
 * What the operating system is asked for. Only src/base/os_*.c and src/io call the system.
 */
#ifndef WNI_OS_H
#define WNI_OS_H

#include <stddef.h>
#include <stdint.h>

#include "winnow/ctx.h"

typedef struct wni_lock wni_lock;
typedef struct wni_cond wni_cond;
typedef struct wni_thread wni_thread;

wni_lock *wni_lock_new(void); /* NULL when there is no memory */
void wni_lock_free(wni_lock *lock);
void wni_lock_take(wni_lock *lock);
void wni_lock_give(wni_lock *lock);
wni_cond *wni_cond_new(void);
void wni_cond_free(wni_cond *cond);
void wni_cond_wait(wni_cond *cond, wni_lock *lock);
/* Waits at most `ns`; returns nonzero when the time ran out. */
int wni_cond_wait_for(wni_cond *cond, wni_lock *lock, int64_t ns);
void wni_cond_wake_all(wni_cond *cond);
wni_thread *wni_thread_start(void (*fn)(void *arg), void *arg); /* NULL when it cannot start */
void wni_thread_join(wni_thread *thread);                       /* and frees it */

/* Processors this process may use: affinity mask, then container quota; at least 1. */
int32_t wni_os_processors(void);
/* Memory this process may use: physical, then container limit. */
int64_t wni_os_memory_bytes(void);
int64_t wni_os_peak_rss_bytes(void);
int64_t wni_os_now_ns(void); /* monotonic */
int64_t wni_os_pid(void);
int wni_os_process_ended(int64_t pid); /* or there never was one of this number */
/* Folder that relative paths start from, into buf; 0 = it does not fit or is gone. */
int wni_os_cwd(char *buf, size_t bytes);
const char *wni_os_env(const char *name); /* NULL = not set */
wn_isa wni_os_isa(void);                  /* the best level of this processor */
double wni_os_cpu_sec(void);              /* user + system time of the process */
/* Asks for large pages below a block that is read in no order; a system that has none does nothing. */
void wni_os_large_pages(void *block, size_t bytes);

#endif
