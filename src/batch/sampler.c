/* SPDX-License-Identifier: Apache-2.0
 *
 * The sampler: inputs checked and narrowed to the rows to draw from, epochs cut into batches and shared by
 * the ranks, position and state.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/param.h"
#include "batch/sampler.h"
#include "pool/pool_use.h"

extern const wn_family wni_family_batch;

#define DRAW_ROWS  4096 /* drawn between two polls */
#define HASH_BYTES ((int64_t)1 << 22)

/* ---- inputs ----------------------------------------------------------------------------------------- */

static const void *input_of(const wn_batch_input *in, const char *name)
{
    if (strcmp(name, "tree") == 0) return in->tree;
    if (strcmp(name, "groups") == 0) return in->groups;
    if (strcmp(name, "scores") == 0) return in->scores;
    if (strcmp(name, "queries") == 0) return in->queries;
    if (strcmp(name, "rows") == 0) return in->rows;
    return in; /* of the pool only the number of rows is read */
}

static wn_status check_length(wn_ctx *ctx, const wn_method *method, const char *what, int64_t found,
                              int64_t n)
{
    if (found == n) return WN_OK;
    return wni_fail(ctx, WN_E_DATA, "batch %s: the %s of %lld rows, expected %lld rows",
                    method->name, what, (long long)found, (long long)n);
}

static wn_status check_labels(wn_ctx *ctx, const wn_method *method, const char *what,
                              const int32_t *v, int64_t n, int32_t classes)
{
    for (int64_t i = 0; i < n; i++)
        if (v[i] < -1 || v[i] >= classes)
            return wni_fail(ctx, WN_E_DATA, "batch %s: row %lld has the %s %d, expected -1 to %d",
                            method->name, (long long)i, what, v[i], classes - 1);
    return WN_OK;
}

static wn_status check_arrays(wn_ctx *ctx, const wn_method *method, const wn_batch_input *in)
{
    const wn_partition *fine = NULL;
    wn_status st = WN_OK;

    if (in->tree) {
        if (in->tree->levels < 1)
            return wni_fail(ctx, WN_E_DATA, "batch %s: the tree has no level", method->name);
        fine = in->tree->level[0];
        WNI_TRY(check_length(ctx, method, "tree is", fine->n, in->n));
        WNI_TRY(check_labels(ctx, method, "cluster", fine->labels, in->n, fine->k));
    }
    if (in->groups) {
        WNI_TRY(check_length(ctx, method, "groups are", in->groups->n, in->n));
        WNI_TRY(check_labels(ctx, method, "group", in->groups->v, in->n, in->groups->classes));
    }
    if (in->queries) {
        WNI_TRY(check_length(ctx, method, "queries are", in->queries->n, in->n));
        WNI_TRY(check_labels(ctx, method, "query", in->queries->v, in->n, in->queries->classes));
    }
    if (in->scores) WNI_TRY(check_length(ctx, method, "scores are", in->scores->n, in->n));
    for (int64_t i = 0; in->rows && i < in->n_rows; i++)
        if (in->rows[i] < (i ? in->rows[i - 1] + 1 : 0) || in->rows[i] >= in->n)
            return wni_fail(ctx, WN_E_DATA,
                            "batch %s: entry %lld of the rows is %lld, expected ascending rows "
                            "below %lld",
                            method->name, (long long)i, (long long)in->rows[i], (long long)in->n);
    if ((in->rows ? in->n_rows : in->n) < 1)
        return wni_fail(ctx, WN_E_DATA, "batch %s: there are no rows to draw from", method->name);
done:
    return st;
}

wn_status wni_sampler_check(wn_ctx *ctx, const wn_method *method, const wn_batch_input *in,
                            const void *params, wn_estimate *estimate)
{
    const wn_family *family = &wni_family_batch;
    const wn_batch_ops *ops;
    int32_t groupings = (in->tree != NULL) + (in->groups != NULL);
    wn_batch_input narrow = *in;
    wn_batch_params p = {.world = 1};
    wn_status st;

    if (!method || strcmp(method->family, "batch") != 0)
        return wni_fail(ctx, WN_E_USAGE, "batch: found a method of %s, expected one of batch",
                        method ? method->family : "no family");
    for (int32_t i = 0; i < family->n_inputs; i++) {
        wn_takes takes = wn_method_takes(method, &family->inputs[i]);
        if (takes == WN_TAKES_REQUIRED && !input_of(in, family->inputs[i].name))
            return wni_fail(ctx, WN_E_USAGE, "batch %s: no %s given", method->name,
                            family->inputs[i].name);
        if (takes == WN_TAKES_ONE_OF && groupings != 1)
            return wni_fail(ctx, WN_E_USAGE,
                            "batch %s: found %d of the inputs tree and groups, expected one",
                            method->name, groupings);
    }
    WNI_TRY(check_arrays(ctx, method, in));
    if (params) memcpy(&p, params, (size_t)wni_min(*(const uint32_t *)params, sizeof p));
    if (params && p.rank >= p.world)
        return wni_fail(ctx, WN_E_USAGE, "rank: found %d, expected 0 to %d: world is %d", p.rank,
                        p.world - 1, p.world);
    ops = method->ops;
    if (in->rows) narrow.n = in->n_rows;
    WNI_TRY(ops->estimate(ctx, &narrow, params, estimate));
    if (in->rows)
        estimate->peak_bytes += narrow.n * (int64_t)(8 + (in->scores ? 4 : 0) +
                                                     (in->queries ? 4 : 0) + (groupings ? 4 : 0));
    estimate->peak_bytes += 65536;
done:
    return st;
}

/* Hashes piece by piece, so that it can be interrupted. */
static wn_status hash_array(wn_ctx *ctx, uint64_t *hash, const void *data, int64_t bytes)
{
    wn_status st;

    for (int64_t at = 0; data && at < bytes; at += HASH_BYTES) {
        *hash = XXH3_64bits_withSeed((const char *)data + at,
                                     (size_t)wni_min(HASH_BYTES, bytes - at), *hash);
        if ((st = wni_poll(ctx)) != WN_OK) return st;
    }
    return WN_OK;
}

static wn_status hash_inputs(wn_ctx *ctx, const wn_batch_input *in, const int64_t *rows,
                             uint64_t *hash)
{
    wn_status st;

    *hash = (uint64_t)in->n;
    WNI_TRY(hash_array(ctx, hash, rows, in->n * 8));
    if (in->groups) WNI_TRY(hash_array(ctx, hash, in->groups->v, in->n * 4));
    if (in->scores) WNI_TRY(hash_array(ctx, hash, in->scores->v, in->n * 4));
    if (in->queries) WNI_TRY(hash_array(ctx, hash, in->queries->v, in->n * 4));
done:
    return st;
}

/* The input as methods see it; what had to be copied for that. */
typedef struct narrowed {
    wn_batch_input in;
    wn_labels groups, queries;
    wn_scores scores;
    int32_t *group_of, *query_of;
    float *score_of;
} narrowed;

static wn_status narrow_input(wn_ctx *ctx, const wn_batch_input *in, narrowed *w)
{
    wn_status st = WN_OK;

    w->in = *in;
    w->in.tree = NULL;
    w->in.rows = NULL;
    if (in->groups) w->groups = *in->groups;
    if (in->tree) {
        w->groups.v = in->tree->level[0]->labels;
        w->groups.classes = in->tree->level[0]->k;
    }
    if (in->queries) w->queries = *in->queries;
    if (in->scores) w->scores = *in->scores;
    if (in->rows) {
        int64_t m = in->n_rows;
        w->in.n = m;
        if (w->groups.v) {
            WNI_NEW(ctx, w->group_of, m);
            for (int64_t i = 0; i < m; i++)
                w->group_of[i] = w->groups.v[in->rows[i]];
            w->groups.v = w->group_of;
        }
        if (w->queries.v) {
            WNI_NEW(ctx, w->query_of, m);
            for (int64_t i = 0; i < m; i++)
                w->query_of[i] = w->queries.v[in->rows[i]];
            w->queries.v = w->query_of;
        }
        if (w->scores.v) {
            WNI_NEW(ctx, w->score_of, m);
            for (int64_t i = 0; i < m; i++)
                w->score_of[i] = w->scores.v[in->rows[i]];
            w->scores.v = w->score_of;
        }
    }
    w->groups.n = w->queries.n = w->scores.n = w->in.n;
    w->in.groups = w->groups.v ? &w->groups : NULL;
    w->in.queries = w->queries.v ? &w->queries : NULL;
    w->in.scores = w->scores.v ? &w->scores : NULL;
done:
    return st;
}

/* ---- making one ------------------------------------------------------------------------------------- */

wn_status wn_sampler_new(wn_ctx *ctx, const wn_method *method, const wn_batch_input *given,
                         const void *params, wn_sampler **out)
{
    wn_batch_input in = {0}; /* of an older caller the fields that it did not know are zero */
    narrowed w = {0};
    wn_sampler *s = NULL;
    wn_estimate estimate;
    wn_status st;

    *out = NULL;
    if (given) memcpy(&in, given, (size_t)wni_min(given->struct_size, sizeof in));
    WNI_TRY(wni_sampler_check(ctx, method, &in, params, &estimate));
    WNI_TRY(wni_pool_need_run(ctx, NULL, method, &estimate));
    WNI_NEW0(ctx, s, 1);
    s->ctx = ctx;
    s->method = method;
    s->ops = method->ops;
    if (!(s->p = wni_alloc(ctx, (int64_t)method->params_bytes, 1))) {
        st = WN_E_NOMEM;
        goto done;
    }
    WNI_TRY(wni_params_complete(ctx, method, params, s->p));
    s->epoch = s->p->first_epoch;
    WNI_TRY(narrow_input(ctx, &in, &w));
    s->n = w.in.n;
    if (in.rows) {
        WNI_NEW(ctx, s->rows, s->n);
        memcpy(s->rows, in.rows, (size_t)s->n * sizeof *s->rows);
    }
    WNI_TRY(hash_inputs(ctx, &w.in, s->rows, &s->inputs));
    WNI_TRY(s->ops->begin(ctx, &w.in, s->p, &s->state));
    *out = s;
    s = NULL;
done:
    wn_sampler_free(s);
    wni_free(ctx, w.group_of);
    wni_free(ctx, w.query_of);
    wni_free(ctx, w.score_of);
    return st;
}

void wn_sampler_free(wn_sampler *s)
{
    wn_ctx *ctx;

    if (!s) return;
    ctx = s->ctx;
    if (s->state) s->ops->end(ctx, s->state);
    wni_free(ctx, s->rows);
    wni_free(ctx, s->p);
    wni_free(ctx, s);
}

const wn_method *wn_sampler_method(const wn_sampler *s)
{
    return s->method;
}

int64_t wn_sampler_batch_size(const wn_sampler *s)
{
    return s->p->batch_size;
}

/* ---- batches ---------------------------------------------------------------------------------------- */

/* Rows of a batch of all ranks together, or, of a method that makes its batches, how many go side by side. */
static int64_t round_rows(const wn_sampler *s)
{
    return s->p->batch_size > WN_ROWS_MAX / s->p->world ? WN_ROWS_MAX
                                                        : s->p->batch_size * s->p->world;
}

int64_t wn_sampler_batches(const wn_sampler *s, int64_t epoch)
{
    int64_t all, side;

    if (epoch < 0) return 0;
    all = s->ops->batches ? s->ops->batches(s->state, epoch) : s->ops->length(s->state, epoch);
    side = s->ops->batches ? s->p->world : round_rows(s);
    return s->p->drop_last ? all / side : (all + side - 1) / side;
}

/* Of an epoch as a sequence of rows batch b of all ranks is one stretch; each rank has its part of it. */
static wn_status draw_share(const wn_sampler *s, int64_t epoch, int64_t b, int poll, int64_t *rows,
                            int64_t *count)
{
    int64_t world = s->p->world, rank = s->p->rank, round = round_rows(s);
    int64_t begin = b * round, all = wni_min(round, s->ops->length(s->state, epoch) - begin);
    int64_t each = all / world, more = all % world;
    int64_t first = begin + rank * each + wni_min(rank, more);
    wn_status st = WN_OK;

    *count = each + (rank < more);
    for (int64_t at = 0; at < *count; at += DRAW_ROWS) {
        int64_t some = wni_min(DRAW_ROWS, *count - at);
        WNI_TRY(s->ops->draw(s->ctx, s->state, epoch, first + at, some, rows + at));
        if (poll && at + some < *count) WNI_TRY(wni_poll(s->ctx));
    }
done:
    return st;
}

wn_status wni_sampler_batch(const wn_sampler *s, int64_t epoch, int64_t b, int poll, int64_t *rows,
                            int64_t *count)
{
    int64_t batches = wn_sampler_batches(s, epoch);
    wn_status st;

    *count = 0;
    if (epoch < 0 || b < 0 || b >= batches)
        return wni_fail(s->ctx, WN_E_USAGE,
                        "batch %s: found batch %lld of epoch %lld, which has %lld batches",
                        s->method->name, (long long)b, (long long)epoch, (long long)batches);
    if (s->ops->batches) {
        int64_t own = b * s->p->world + s->p->rank;
        if (own >= s->ops->batches(s->state, epoch)) return WN_OK;
        st = s->ops->batch(s->ctx, s->state, epoch, own, rows, count);
    } else {
        st = draw_share(s, epoch, b, poll, rows, count);
    }
    if (st != WN_OK) return st;
    for (int64_t i = 0; s->rows && i < *count; i++)
        rows[i] = s->rows[rows[i]];
    return WN_OK;
}

wn_status wn_sampler_batch(const wn_sampler *s, int64_t epoch, int64_t b, int64_t *rows,
                           int64_t *count)
{
    return wni_sampler_batch(s, epoch, b, 0, rows, count);
}

wn_status wn_sampler_next(wn_sampler *s, int64_t *rows, int64_t *count)
{
    wn_status st;

    if (s->b >= wn_sampler_batches(s, s->epoch)) {
        s->epoch++;
        s->b = 0;
        *count = -1;
        return WN_OK;
    }
    st = wn_sampler_batch(s, s->epoch, s->b, rows, count);
    if (st == WN_OK) s->b++;
    return st;
}

void wn_sampler_tell(const wn_sampler *s, int64_t *epoch, int64_t *b)
{
    *epoch = s->epoch;
    *b = s->b;
}

wn_status wn_sampler_seek(wn_sampler *s, int64_t epoch, int64_t b)
{
    if (epoch < 0 || b < 0 || b > wn_sampler_batches(s, epoch))
        return wni_fail(s->ctx, WN_E_USAGE,
                        "batch %s: found batch %lld of epoch %lld, which has %lld batches",
                        s->method->name, (long long)b, (long long)epoch,
                        (long long)wn_sampler_batches(s, epoch));
    s->epoch = epoch;
    s->b = b;
    return WN_OK;
}

/* ---- state ------------------------------------------------------------------------------------------ */

/* What must be the same for a state to be gone on from: all but the position. */
static int state_head(const wn_sampler *s, char *buf, size_t bytes)
{
    int length = snprintf(buf, bytes, "winnow-sampler 1 method=%s n=%lld inputs=%016" PRIx64,
                          s->method->name, (long long)s->n, s->inputs);

    for (int32_t i = 0; i < s->method->n_params; i++) {
        const char *name = s->method->params[i].name;
        char value[WN_TEXT_MAX];
        if (strcmp(name, "rank") == 0 || strcmp(name, "first_epoch") == 0 ||
            strcmp(name, "epochs") == 0)
            continue;
        wn_params_text(s->method, s->p, name, value, sizeof value);
        length +=
            snprintf((size_t)length < bytes ? buf + length : NULL,
                     (size_t)length < bytes ? bytes - (size_t)length : 0, " %s=%s", name, value);
    }
    return length;
}

int wn_sampler_save(const wn_sampler *s, char *buf, size_t bytes)
{
    char head[WN_SAMPLER_STATE_MAX];

    state_head(s, head, sizeof head);
    return snprintf(buf, bytes, "%s epoch=%lld batch=%lld", head, (long long)s->epoch,
                    (long long)s->b);
}

/* Shows the first word in which two states differ. */
static wn_status other_state(const wn_sampler *s, const char *found, const char *expected)
{
    while (*found && *expected) {
        size_t f = strcspn(found, " "), e = strcspn(expected, " ");
        if (f != e || strncmp(found, expected, f) != 0)
            return wni_fail(s->ctx, WN_E_DATA,
                            "batch %s: the state is of another sampler: found '%.*s', expected "
                            "'%.*s'",
                            s->method->name, (int)wni_min((int64_t)f, 80), found,
                            (int)wni_min((int64_t)e, 80), expected);
        found += f + strspn(found + f, " ");
        expected += e + strspn(expected + e, " ");
    }
    return wni_fail(s->ctx, WN_E_DATA, "batch %s: the state is cut off or not one of a sampler",
                    s->method->name);
}

/* " word=NUMBER" at *text, which moves past it. */
static bool read_number(const char **text, const char *word, int64_t *value)
{
    size_t length = strlen(word);
    char *end;

    if (strncmp(*text, word, length) != 0 || (*text)[length] < '0' || (*text)[length] > '9')
        return false;
    *value = strtoll(*text + length, &end, 10);
    *text = end;
    return true;
}

wn_status wn_sampler_restore(wn_sampler *s, const char *text)
{
    char head[WN_SAMPLER_STATE_MAX];
    int64_t epoch, b;
    const char *at = text;
    size_t length;

    state_head(s, head, sizeof head);
    length = strlen(head);
    if (strncmp(text, head, length) != 0 || text[length] != ' ') return other_state(s, text, head);
    at += length;
    if (!read_number(&at, " epoch=", &epoch) || !read_number(&at, " batch=", &b) || *at)
        return other_state(s, "", "");
    return wn_sampler_seek(s, epoch, b);
}

/* ---- feedback --------------------------------------------------------------------------------------- */

int wn_sampler_learns(const wn_sampler *s)
{
    return s->ops->feedback != NULL;
}

wn_status wn_sampler_feedback(wn_sampler *s, const int64_t *rows, const float *losses, int64_t n)
{
    if (!s->ops->feedback)
        return wni_fail(s->ctx, WN_E_USAGE,
                        "batch %s learns nothing from losses: leave the feedback out",
                        s->method->name);
    return s->ops->feedback(s->ctx, s->state, rows, losses, n);
}
