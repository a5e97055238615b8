/* SPDX-License-Identifier: Apache-2.0
 *
 * Adding, deleting and compacting in place, killed before system calls that change files, killed at any
 * moment, and with no room to write: the index is the old one or the new one, and the next run goes as if
 * nothing had been, and clears away what is left.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "io/folder_lock.h"
#include "io/folder_ops.h"
#include "io/outdir.h"
#include "support/support.h"

enum { N = 160, MORE = 30, D = 6, Q = 4, SIGN = 200, REFUSED = 77 };

static const char *const ops[] = {"add", "delete", "compact"};
enum { OPS = sizeof ops / sizeof ops[0] };

/* ---- the index and what it answers ------------------------------------------------------------------------ */

static wn_status job(wn_ctx *ctx, const char *method, const char *pool, const char *table,
                     const char *rows, const char *index, const char *out)
{
    wn_job *j;
    wn_status st = wn_job_new(ctx, "index", method, &j);

    if (st == WN_OK && index) st = wn_job_input(j, "index", ts_path(index));
    if (st == WN_OK && pool) st = wn_job_input(j, "pool", ts_path(pool));
    if (st == WN_OK && table) st = wn_job_input(j, "table", ts_path(table));
    if (st == WN_OK && rows) st = wn_job_input(j, "rows", ts_path(rows));
    if (st == WN_OK && out) st = wn_job_output(j, ts_path(out));
    if (st == WN_OK) st = wn_job_run(j);
    wn_job_free(j);
    return st;
}

static wn_status change(wn_ctx *ctx, const char *op)
{
    if (strcmp(op, "add") == 0) return job(ctx, op, "more.npy", "more.jsonl", NULL, "x.wni", NULL);
    return job(ctx, op, NULL, NULL, strcmp(op, "delete") == 0 ? "gone.npy" : NULL, "x.wni", NULL);
}

/* All that a user sees of x.wni: its counts, every row's place in the order of some queries, and how many rows
 * its table lets through. */
static void sign(char text[SIGN])
{
    wn_index_about about = {.struct_size = sizeof about};
    wn_index_query query = {.struct_size = sizeof query, .recall = 1};
    float *q = ts_normal(Q, D, 5);
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_index *index;
    wn_filter *filter;
    wn_pool *pool;
    wn_hits *hits;
    uint64_t sum = 1469598103934665603u;

    ts_ok(ctx, wn_index_open(ctx, ts_path("x.wni"), &index));
    wn_index_describe(index, &about);
    query.k = about.rows;
    ts_ok(ctx, wn_pool_wrap(ctx, q, Q, D, WN_F32, WN_L2, &pool));
    query.queries = pool;
    ts_ok(ctx, wn_index_search(ctx, index, &query, &hits));
    for (int64_t i = 0; i < hits->n * hits->k; i++) {
        uint32_t bits;
        memcpy(&bits, &hits->distances[i], sizeof bits);
        sum = ((sum ^ (uint64_t)hits->indices[i]) * 1099511628211u ^ bits) * 1099511628211u;
    }
    ts_ok(ctx, wn_filter_new(ctx, index, "half = 1", NULL, NULL, &filter));
    snprintf(text, SIGN, "rows %lld deleted %lld next %lld segments %d matching %lld hits %016llx",
             (long long)about.rows, (long long)about.deleted, (long long)about.next_id,
             (int)about.segments, (long long)wn_filter_matching(filter), (unsigned long long)sum);
    wn_filter_free(filter);
    wn_hits_free(hits);
    wn_pool_free(pool);
    wn_index_free(index);
    wn_ctx_free(ctx);
    free(q);
}

static void write_table(const char *name, int from, int n)
{
    FILE *f = fopen(ts_path(name), "w");

    assert_non_null(f);
    for (int i = from; i < from + n; i++)
        fprintf(f, "{\"half\": %d, \"word\": \"w%d\"}\n", i % 2, i);
    fclose(f);
}

static void copy_tree(const char *from, const char *to)
{
    DIR *dir = opendir(from);
    struct dirent *entry;

    assert_non_null(dir);
    assert_int_equal(mkdir(to, 0777), 0);
    while ((entry = readdir(dir))) {
        char a[4096], b[4096];
        struct stat info;
        if (entry->d_name[0] == '.') continue;
        snprintf(a, sizeof a, "%s/%s", from, entry->d_name);
        snprintf(b, sizeof b, "%s/%s", to, entry->d_name);
        assert_int_equal(stat(a, &info), 0);
        if (S_ISDIR(info.st_mode)) {
            copy_tree(a, b);
        } else {
            size_t bytes;
            void *data = ts_read_file(a, &bytes);
            ts_write_file(b, data, bytes);
            free(data);
        }
    }
    closedir(dir);
}

static void remove_tree(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;

    if (!dir) {
        (void)unlink(path);
        return;
    }
    while ((entry = readdir(dir))) {
        char below[4096];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        remove_tree(below);
    }
    closedir(dir);
    assert_int_equal(rmdir(path), 0);
}

/* Folders that killed runs left beside x.wni; removed when asked. */
static int leftovers(int and_remove)
{
    DIR *dir = opendir(ts_tmp());
    struct dirent *entry;
    int n = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)))
        if (strncmp(entry->d_name, "x.wni.tmp-", 10) == 0) {
            n++;
            if (and_remove) remove_tree(ts_path(entry->d_name));
        }
    closedir(dir);
    return n;
}

/* x.wni as it was first, and nothing beside it. */
static void reset(void)
{
    char old[4096];

    leftovers(1);
    if (access(ts_path("x.wni"), F_OK) == 0) remove_tree(ts_path("x.wni"));
    snprintf(old, sizeof old, "%s", ts_path("old.wni"));
    copy_tree(old, ts_path("x.wni"));
}

/* What x.wni is before and behind each of the changes. */
static char before[SIGN], behind[OPS][SIGN];

static int set_up(void **state)
{
    const int64_t gone[] = {0, 3, 4, 77, N + 2}, n_gone = 5;
    float *v = ts_normal(N + 2 * MORE, D, 1);
    wn_ctx *ctx = ts_ctx(1, -1);
    wni_out *out;

    (void)state;
    ts_tmp();
    ts_write_npy(ts_path("rows.npy"), v, N, D);
    ts_write_npy(ts_path("first.npy"), v + N * D, MORE, D);
    ts_write_npy(ts_path("more.npy"), v + (N + MORE) * D, MORE, D);
    write_table("rows.jsonl", 0, N);
    write_table("first.jsonl", N, MORE);
    write_table("more.jsonl", N + MORE, MORE);
    ts_ok(ctx, wni_out_begin(ctx, ts_path("gone.npy"), 1, 1, &out));
    ts_ok(ctx, wni_out_npy(out, NULL, "<i8", sizeof *gone, &n_gone, 1, gone));
    ts_ok(ctx, wni_out_commit(out));
    ts_ok(ctx, job(ctx, "hnsw", "rows.npy", "rows.jsonl", NULL, NULL, "old.wni"));
    ts_ok(ctx, job(ctx, "add", "first.npy", "first.jsonl", NULL, "old.wni", NULL));
    reset();
    sign(before);
    for (int i = 0; i < OPS; i++) {
        reset();
        ts_ok(ctx, change(ctx, ops[i]));
        sign(behind[i]);
        assert_string_not_equal(before, behind[i]);
    }
    wn_ctx_free(ctx);
    free(v);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ts_tmp_remove();
    return 0;
}

/* Which of the two x.wni is; when asked, a run that finds the old one finishes what was begun. */
static int is_new(int op, int again, const char *when)
{
    wn_ctx *ctx;
    char now[SIGN];

    sign(now);
    if (strcmp(now, behind[op]) == 0) return 1;
    if (strcmp(now, before) != 0)
        fail_msg("index %s, %s: found the index with %s, expected %s or %s", ops[op], when, now,
                 before, behind[op]);
    if (!again) return 0;
    ctx = ts_ctx(1, -1);
    ts_ok(ctx, change(ctx, ops[op]));
    wn_ctx_free(ctx);
    sign(now);
    assert_string_equal(now, behind[op]);
    assert_int_equal(leftovers(0), 0); /* what the killed run left is gone, too */
    return 0;
}

/* ---- killed ------------------------------------------------------------------------------------------------ */

#ifdef PTRACE_GET_SYSCALL_INFO

static int changes_files(uint64_t call, const uint64_t *args)
{
    static const long calls[] = {
        SYS_openat, SYS_write,    SYS_pwrite64, SYS_fsync,     SYS_fdatasync, SYS_ftruncate,
        SYS_linkat, SYS_unlinkat, SYS_mkdirat,  SYS_renameat2, SYS_flock,
#ifdef SYS_open
        SYS_open,   SYS_link,     SYS_unlink,   SYS_mkdir,     SYS_rename,    SYS_rmdir,
#endif
    };

    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (call == (uint64_t)calls[i]) return call != SYS_openat || args[2] & O_CREAT;
    return 0;
}

/* Lets the stopped child run until just before its call number `at` that changes files, and kills it there.
 * Returns its exit status when it ended before, else -1; *seen is the number of these calls. */
static int kill_before(pid_t child, int at, int *seen)
{
    int status;

    *seen = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSTOPPED(status)) return WEXITSTATUS(status);
    ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    while (*seen <= at) {
        struct __ptrace_syscall_info info;
        assert_int_equal(ptrace(PTRACE_SYSCALL, child, NULL, NULL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFSTOPPED(status)) return WEXITSTATUS(status);
        if (ptrace(PTRACE_GET_SYSCALL_INFO, child, (void *)sizeof info, &info) > 0 &&
            info.op == PTRACE_SYSCALL_INFO_ENTRY)
            *seen += changes_files(info.entry.nr, info.entry.args);
    }
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    return -1;
}

/* One run of the change, killed before call `at`. */
static int run_traced(int op, int at, int *seen)
{
    pid_t child;
    int ended;

    reset();
    child = fork();
    if (child == 0) {
        wn_ctx *ctx = ts_ctx(1, -1);
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL)) _exit(REFUSED);
        raise(SIGSTOP);
        _exit(change(ctx, ops[op]) != WN_OK);
    }
    assert_true(child > 0);
    ended = kill_before(child, at, seen);
    if (ended == REFUSED) {
        print_message("this system lets no program trace another: not tested\n");
        skip();
    }
    return ended;
}

/* The files are written one like the other: of these calls every fourth. At the end, where folders are synced,
 * change places and go, every one. */
static void killed_before_calls(void **state)
{
    enum { END = 40 };

    (void)state;
    for (int op = 0; op < OPS; op++) {
        int old = 0, new = 0, left = 0, calls, seen;
        assert_int_equal(run_traced(op, INT_MAX, &calls), 0);
        assert_int_equal(is_new(op, 0, "not killed"), 1);
        assert_true(calls > END);
        for (int at = 0; at < calls; at += at < calls - END ? 4 : 1) {
            char when[64];
            assert_int_equal(run_traced(op, at, &seen), -1);
            left += leftovers(0);
            snprintf(when, sizeof when, "killed before call %d of %d", at, calls);
            if (is_new(op, at % 8 == 0, when))
                new ++;
            else
                old++;
        }
        assert_true(old > 20 && new > 3 && left > 20);
    }
}

#else

static void killed_before_calls(void **state)
{
    (void)state;
    skip();
}

#endif

static void killed_at_any_moment(void **state)
{
    uint32_t random = 12345;

    (void)state;
    for (int i = 0; i < 12; i++) {
        const int op = i % OPS;
        struct timespec wait = {0, 0};
        char when[64];
        pid_t child;
        reset();
        random = random * 1664525u + 1013904223u;
        wait.tv_nsec = (long)(random >> 8) % 12000000;
        child = fork();
        if (child == 0) {
            wn_ctx *ctx = ts_ctx(3, -1);
            _exit(change(ctx, ops[op]) != WN_OK);
        }
        assert_true(child > 0);
        nanosleep(&wait, NULL);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        snprintf(when, sizeof when, "killed after %ld us", wait.tv_nsec / 1000);
        is_new(op, 1, when);
    }
}

/* A process number that nobody has: of a child that has ended. */
static long long ended_process(void)
{
    pid_t child = fork();

    if (child == 0) _exit(0);
    assert_true(child > 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    return child;
}

/* A folder beside x.wni with something in it. */
static void make_beside(char path[256], const char *format, long long process)
{
    char name[64];

    snprintf(name, sizeof name, format, process);
    snprintf(path, 256, "%s", ts_path(name));
    assert_int_equal(mkdir(path, 0777), 0);
    snprintf(name + strlen(name), sizeof name - strlen(name), "/s1");
    assert_int_equal(mkdir(ts_path(name), 0777), 0);
    snprintf(name + strlen(name), sizeof name - strlen(name), "/rows.npy");
    ts_write_file(ts_path(name), "rows", 4);
}

/* What runs left that have ended goes. What a run has that goes on, and what only looks like it, stays. */
static void leftovers_of_ended_runs_go(void **state)
{
    static const char *const kept[] = {
        "x.wni.tmp-%lld",     "x.wni.tmp-%lld-",   "x.wni.tmp-%lld-0a",
        "x.wni.tmp-%lld-1-2", "x.wni.tmp--%lld-0", "x.wni.tmp-0%lld0000000000-0",
        "x.wnj.tmp-%lld-0",
    };
    enum { KEPT = sizeof kept / sizeof kept[0] };
    const long long ended = ended_process();
    wn_ctx *ctx = ts_ctx(1, -1);
    char now[SIGN], path[256], stays[KEPT][256], held[256], mine[256], aim[256], link[256];
    int lock;

    (void)state;
    for (int op = 0; op < OPS; op++) {
        reset();
        make_beside(path, "x.wni.tmp-%lld-0", ended);
        make_beside(mine, "x.wni.tmp-%lld-0", (long long)getpid());
        make_beside(held, "x.wni.tmp-%lld-7", ended);
        make_beside(aim, "aim-%lld", ended);
        snprintf(link, sizeof link, "%s.tmp-%lld-8", ts_path("x.wni"), ended);
        assert_int_equal(symlink(aim, link), 0);
        for (int i = 0; i < KEPT; i++)
            make_beside(stays[i], kept[i], ended);
        ts_ok(ctx, wni_folder_lock(ctx, held, &lock));
        ts_ok(ctx, change(ctx, ops[op]));
        sign(now);
        assert_string_equal(now, behind[op]);
        assert_int_not_equal(access(path, F_OK), 0);
        assert_int_equal(access(mine, F_OK), 0);
        assert_int_equal(access(held, F_OK), 0);
        assert_int_equal(access(link, F_OK), 0);
        for (int i = 0; i < KEPT; i++)
            assert_int_equal(access(stays[i], F_OK), 0);
        wni_folder_unlock(lock);
        ts_ok(ctx, wni_folder_lock(ctx, ts_path("x.wni"), &lock));
        wni_folder_sweep(ctx, ts_path("x.wni/"));
        wni_folder_unlock(lock);
        assert_int_not_equal(access(held, F_OK), 0); /* nobody holds it now */
        assert_int_equal(access(mine, F_OK), 0);
        assert_int_equal(unlink(link), 0);
        remove_tree(aim);
        remove_tree(stays[KEPT - 1]);
    }
    wn_ctx_free(ctx);
}

/* ---- no room ------------------------------------------------------------------------------------------------ */

/* No file may become longer than `bytes`. Returns what the run returned; its error in text. */
static wn_status change_within(int op, int64_t bytes, char *text, size_t room)
{
    int status, ends[2];
    ssize_t got;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        const struct rlimit limit = {(rlim_t)bytes, (rlim_t)bytes};
        wn_ctx *ctx = ts_ctx(1, -1);
        wn_status st;
        signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &limit)) _exit(REFUSED);
        st = change(ctx, ops[op]);
        if (write(ends[1], wn_ctx_error(ctx), strlen(wn_ctx_error(ctx))) < 0) _exit(REFUSED);
        _exit((int)st);
    }
    assert_true(child > 0);
    close(ends[1]);
    got = read(ends[0], text, room - 1);
    text[got > 0 ? got : 0] = 0;
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return (wn_status)WEXITSTATUS(status);
}

static void no_room_to_write(void **state)
{
    (void)state;
    for (int op = 0; op < OPS; op++) {
        wn_status st = WN_E_IO;
        int failures = 0;
        for (int64_t bytes = 0; st != WN_OK; bytes += bytes / 2 + 60, failures++) {
            char text[2048], when[64];
            reset();
            st = change_within(op, bytes, text, sizeof text);
            if (st == WN_OK) break;
            if (st != WN_E_IO || !text[0] || strlen(text) > 600 || strchr(text, '\n'))
                fail_msg("index %s, %lld bytes: found status %d, '%s'", ops[op], (long long)bytes,
                         (int)st, text);
            assert_int_equal(leftovers(0), 0);
            snprintf(when, sizeof when, "no file longer than %lld", (long long)bytes);
            assert_int_equal(is_new(op, failures % 4 == 0, when), 0);
            assert_true(bytes < 1 << 24);
        }
        assert_int_equal(is_new(op, 0, "with room enough"), 1);
        assert_in_range(failures, 5, 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_before_calls),
        cmocka_unit_test(killed_at_any_moment),
        cmocka_unit_test(leftovers_of_ended_runs_go),
        cmocka_unit_test(no_room_to_write),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
