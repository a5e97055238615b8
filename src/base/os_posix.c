/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/os.h"

struct wni_lock {
    pthread_mutex_t mutex;
};
struct wni_cond {
    pthread_cond_t cond;
};
struct wni_thread {
    pthread_t thread;
    void (*fn)(void *arg);
    void *arg;
};

/* These few bytes come from the C library: they must exist before a context's allocator does. */
wni_lock *wni_lock_new(void)
{
    wni_lock *lock = malloc(sizeof *lock);

    if (lock && pthread_mutex_init(&lock->mutex, NULL)) {
        free(lock);
        lock = NULL;
    }
    return lock;
}

void wni_lock_free(wni_lock *lock)
{
    if (lock) {
        pthread_mutex_destroy(&lock->mutex);
        free(lock);
    }
}

void wni_lock_take(wni_lock *lock)
{
    pthread_mutex_lock(&lock->mutex);
}

void wni_lock_give(wni_lock *lock)
{
    pthread_mutex_unlock(&lock->mutex);
}

wni_cond *wni_cond_new(void)
{
    wni_cond *cond = malloc(sizeof *cond);
    pthread_condattr_t attr;

    if (!cond) return NULL;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    if (pthread_cond_init(&cond->cond, &attr)) {
        free(cond);
        cond = NULL;
    }
    pthread_condattr_destroy(&attr);
    return cond;
}

void wni_cond_free(wni_cond *cond)
{
    if (cond) {
        pthread_cond_destroy(&cond->cond);
        free(cond);
    }
}

void wni_cond_wait(wni_cond *cond, wni_lock *lock)
{
    pthread_cond_wait(&cond->cond, &lock->mutex);
}

int wni_cond_wait_for(wni_cond *cond, wni_lock *lock, int64_t ns)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    ns += t.tv_nsec;
    t.tv_sec += ns / 1000000000;
    t.tv_nsec = ns % 1000000000;
    return pthread_cond_timedwait(&cond->cond, &lock->mutex, &t) != 0;
}

void wni_cond_wake_all(wni_cond *cond)
{
    pthread_cond_broadcast(&cond->cond);
}

static void *thread_main(void *arg)
{
    wni_thread *thread = arg;

    thread->fn(thread->arg);
    return NULL;
}

wni_thread *wni_thread_start(void (*fn)(void *arg), void *arg)
{
    wni_thread *thread = malloc(sizeof *thread);

    if (!thread) return NULL;
    thread->fn = fn;
    thread->arg = arg;
    if (pthread_create(&thread->thread, NULL, thread_main, thread)) {
        free(thread);
        return NULL;
    }
    return thread;
}

void wni_thread_join(wni_thread *thread)
{
    pthread_join(thread->thread, NULL);
    free(thread);
}

/* First line of a small system file; 0 when it is not there. */
static int read_line(const char *path, char *buf, int bytes)
{
    FILE *f = fopen(path, "r");
    int ok = 0;

    if (f) {
        ok = fgets(buf, bytes, f) != NULL;
        fclose(f);
    }
    return ok;
}

int32_t wni_os_processors(void)
{
    cpu_set_t set;
    char line[64];
    long long quota, period;
    int32_t n = 1;

    if (sched_getaffinity(0, sizeof set, &set) == 0) n = CPU_COUNT(&set);
    if (read_line("/sys/fs/cgroup/cpu.max", line, sizeof line)) {
        if (sscanf(line, "%lld %lld", &quota, &period) != 2) quota = -1;
    } else { /* cgroup v1 */
        quota =
            read_line("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", line, sizeof line) ? atoll(line) : -1;
        period =
            read_line("/sys/fs/cgroup/cpu/cpu.cfs_period_us", line, sizeof line) ? atoll(line) : 0;
    }
    if (quota > 0 && period > 0 && (quota + period - 1) / period < n)
        n = (int32_t)((quota + period - 1) / period);
    return n < 1 ? 1 : n;
}

int64_t wni_os_memory_bytes(void)
{
    static const char *const limits[] = {"/sys/fs/cgroup/memory.max",
                                         "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
    int64_t bytes = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    char line[64];

    for (int i = 0; i < 2; i++)
        if (read_line(limits[i], line, sizeof line)) {
            long long limit = atoll(line); /* "max" reads as 0 */
            if (limit > 0 && limit < bytes) bytes = limit;
        }
    return bytes;
}

/* getrusage's figure begins with that of the process that started this one, so Linux is asked first. */
int64_t wni_os_peak_rss_bytes(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    struct rusage use;
    long long kib = 0;
    char line[256];

    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %lld kB", &kib) == 1) break;
    if (f) fclose(f);
    if (kib > 0) return (int64_t)kib * 1024;
    return getrusage(RUSAGE_SELF, &use) ? 0 : (int64_t)use.ru_maxrss * 1024;
}

double wni_os_cpu_sec(void)
{
    struct rusage use;

    if (getrusage(RUSAGE_SELF, &use)) return 0;
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           1e-6 * (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
}

int64_t wni_os_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t wni_os_pid(void)
{
    return (int64_t)getpid();
}

int wni_os_process_ended(int64_t pid)
{
    if (pid < 1 || pid > INT32_MAX) return 0;
    return kill((pid_t)pid, 0) && errno == ESRCH;
}

int wni_os_cwd(char *buf, size_t bytes)
{
    return getcwd(buf, bytes) != NULL;
}

const char *wni_os_env(const char *name)
{
    return getenv(name);
}

void wni_os_large_pages(void *block, size_t bytes)
{
#ifdef MADV_HUGEPAGE
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = ((uintptr_t)block + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)block + bytes) / page * page;

    if (end > begin + ((uintptr_t)1 << 24)) madvise((void *)begin, end - begin, MADV_HUGEPAGE);
#else
    (void)block;
    (void)bytes;
#endif
}
