/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os.h"
#include "base/rng.h"
#include "support/support.h"

static wn_ctx *make(const wn_ctx_options *opt)
{
    wn_ctx *ctx;

    if (wn_ctx_new(opt, &ctx) != WN_OK) fail_msg("no context");
    return ctx;
}

wn_ctx *ts_ctx(int threads, int isa)
{
    wn_ctx_options opt;

    wn_ctx_options_init(&opt);
    opt.threads = threads;
    opt.isa = isa;
    opt.memory_bytes = (int64_t)256 << 20;
    return make(&opt);
}

static void *failing_alloc(void *user, size_t bytes)
{
    ts_alloc *state = user;

    /* Threads allocate too; one of them gets the bad number. */
    if (__atomic_fetch_add(&state->count, 1, __ATOMIC_SEQ_CST) == state->fail_at) return NULL;
    __atomic_fetch_add(&state->live, 1, __ATOMIC_SEQ_CST);
    return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static void failing_free(void *user, void *ptr)
{
    ts_alloc *state = user;

    if (ptr) __atomic_fetch_sub(&state->live, 1, __ATOMIC_SEQ_CST);
    free(ptr);
}

wn_ctx *ts_ctx_failing(ts_alloc *state, int threads)
{
    wn_ctx_options opt;
    int64_t fail_at = state->fail_at;
    wn_ctx *ctx;

    wn_ctx_options_init(&opt);
    opt.threads = threads;
    opt.memory_bytes = (int64_t)256 << 20;
    opt.allocator = (wn_allocator){failing_alloc, failing_free, state};
    state->fail_at = -1;
    ctx = make(&opt);
    state->count = 0;
    state->fail_at = fail_at;
    return ctx;
}

wn_isa ts_best_isa(void)
{
    return wni_os_isa();
}

static char tmp[256];

const char *ts_tmp(void)
{
    if (!tmp[0]) {
        const char *base = getenv("TMPDIR");
        snprintf(tmp, sizeof tmp, "%s/winnow-test-XXXXXX", base ? base : "/tmp");
        if (!mkdtemp(tmp)) fail_msg("mkdtemp: %s", strerror(errno));
    }
    return tmp;
}

const char *ts_path(const char *name)
{
    static char paths[8][1024];
    static int next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof paths[0], "%s/%s", ts_tmp(), name);
    return path;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void ts_tmp_remove(void)
{
    if (tmp[0]) nftw(tmp, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    tmp[0] = 0;
}

int ts_tidy(void **state)
{
    (void)state;
    ts_tmp_remove();
    return 0;
}

static double normal(uint64_t seed, uint64_t stream, uint64_t i)
{
    double u = wni_rand_unit(seed, stream, 2 * i), v = wni_rand_unit(seed, stream, 2 * i + 1);

    return sqrt(-2 * log(u + 0x1p-60)) * cos(6.283185307179586 * v);
}

float *ts_normal(int64_t n, int64_t d, uint64_t seed)
{
    float *v = malloc((size_t)(n * d) * sizeof *v + 1);

    for (int64_t i = 0; i < n * d; i++)
        v[i] = (float)normal(seed, 1, (uint64_t)i);
    return v;
}

float *ts_blobs(int64_t n, int64_t d, int64_t k, double sigma, uint64_t seed, int32_t *labels)
{
    float *centers = ts_normal(k, d, seed + 1), *v = ts_normal(n, d, seed);

    for (int64_t i = 0; i < n; i++) {
        int64_t c = wni_rand_below(seed, 2, (uint64_t)i, k);
        for (int64_t j = 0; j < d; j++)
            v[i * d + j] = (float)(centers[c * d + j] + sigma * v[i * d + j]);
        if (labels) labels[i] = (int32_t)c;
    }
    free(centers);
    return v;
}

void ts_write_file(const char *path, const void *data, size_t bytes)
{
    FILE *f = fopen(path, "wb");

    if (!f || (bytes && fwrite(data, 1, bytes, f) != bytes) || fclose(f))
        fail_msg("cannot write %s", path);
}

void ts_write_npy(const char *path, const float *v, int64_t n, int64_t d)
{
    char header[128];
    FILE *f = fopen(path, "wb");
    int length;

    if (!f) fail_msg("cannot write %s", path);
    memset(header, ' ', sizeof header);
    memcpy(header, "\x93NUMPY\x01\x00\x76\x00", 10);
    length = snprintf(header + 10, 118,
                      "{'descr': '<f4', 'fortran_order': False, 'shape': (%lld, %lld), }",
                      (long long)n, (long long)d);
    header[10 + length] = ' ';
    header[127] = '\n';
    if (fwrite(header, 1, 128, f) != 128 ||
        fwrite(v, sizeof *v, (size_t)(n * d), f) != (size_t)(n * d) || fclose(f))
        fail_msg("cannot write %s", path);
}

void *ts_read_file(const char *path, size_t *bytes)
{
    FILE *f = fopen(path, "rb");
    char *data;
    long size;

    if (!f) return NULL;
    fseek(f, 0, SEEK_END);
    size = ftell(f);
    rewind(f);
    data = malloc((size_t)size + 1);
    *bytes = fread(data, 1, (size_t)size, f);
    data[*bytes] = 0;
    fclose(f);
    return data;
}

static const char *tree_a, *tree_b;
static int tree_files, tree_same;

static int compare_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    char other[2048];
    const char *base = path + ftw->base;
    size_t na = 0, nb = 0;
    char *a, *b;

    (void)st;
    if (type != FTW_F || strcmp(base, "manifest.json") == 0 || strcmp(base, "report.html") == 0)
        return 0;
    snprintf(other, sizeof other, "%s%s", tree_b, path + strlen(tree_a));
    a = ts_read_file(path, &na);
    b = ts_read_file(other, &nb);
    if (!a || !b || na != nb || memcmp(a, b, na)) {
        print_message("%s and %s differ\n", path, other);
        tree_same = 0;
    }
    tree_files++;
    free(a);
    free(b);
    return 0;
}

int ts_same_tree(const char *a, const char *b)
{
    int files;

    tree_a = a;
    tree_b = b;
    tree_same = 1;
    tree_files = 0;
    if (nftw(a, compare_one, 16, FTW_PHYS)) tree_same = 0;
    files = tree_files;
    tree_a = b;
    tree_b = a;
    tree_files = 0;
    if (nftw(b, compare_one, 16, FTW_PHYS) || files != tree_files || files == 0) tree_same = 0;
    return tree_same;
}

const char *ts_shared(const char *name)
{
    static char path[1024];

    snprintf(path, sizeof path, "%s/../shared/data/%s", WN_SOURCE_DIR, name);
    return access(path, R_OK) == 0 ? path : NULL;
}
