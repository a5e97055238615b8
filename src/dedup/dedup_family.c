/* SPDX-License-Identifier: Apache-2.0
 *
 * The family `dedup`: its object, the checks that every method shares, the files of a run.
 */
#include <math.h>
#include <string.h>

#include "base/param.h"
#include "pool/pool_use.h"
#include "pool/run.h"
#include "winnow/dedup.h"
#include "winnow/select.h"

wn_status wn_dedup_new(wn_ctx *ctx, int64_t n, wn_dedup **out)
{
    wn_dedup *dedup;
    wn_status st = WN_OK;

    *out = NULL;
    WNI_NEW0(ctx, dedup, 1);
    dedup->ctx = ctx;
    dedup->n = dedup->kept = n;
    dedup->report.blocks = 1;
    dedup->report.recall = dedup->report.worst_similarity = 1;
    WNI_NEW(ctx, dedup->partner, n);
    WNI_NEW(ctx, dedup->similarity, n);
    for (int64_t i = 0; i < n; i++) {
        dedup->partner[i] = i;
        dedup->similarity[i] = 1;
    }
    *out = dedup;
    return WN_OK;
done:
    wn_dedup_free(dedup);
    return st;
}

void wn_dedup_free(wn_dedup *dedup)
{
    if (!dedup) return;
    wni_free(dedup->ctx, dedup->partner);
    wni_free(dedup->ctx, dedup->similarity);
    wni_free(dedup->ctx, dedup);
}

static wn_status check_input(wn_ctx *ctx, const wn_method *method, const wn_dedup_input *in,
                             wn_estimate *estimate, const void *params)
{
    const wn_dedup_ops *ops;

    if (!method || strcmp(method->family, "dedup") != 0)
        return wni_fail(ctx, WN_E_USAGE, "dedup: found a method of %s, expected one of dedup",
                        method ? method->family : "no family");
    if (!in || in->struct_size < sizeof in->struct_size || !in->pool)
        return wni_fail(ctx, WN_E_USAGE, "dedup %s: no pool is given", method->name);
    ops = method->ops;
    return ops->estimate(ctx, in, params, estimate);
}

wn_status wn_dedup_run(wn_ctx *ctx, const wn_method *method, const wn_dedup_input *in,
                       const void *params, wn_dedup **out)
{
    const wn_dedup_ops *ops;
    wn_estimate estimate;
    wn_status st;

    *out = NULL;
    WNI_TRY(check_input(ctx, method, in, &estimate, params));
    WNI_TRY(wni_pool_need_run(ctx, in->pool, method, &estimate));
    WNI_TRY(wn_pool_check(ctx, in->pool, 1, NULL));
    ops = method->ops;
    WNI_TRY(ops->run(ctx, in, params, out));
done:
    return st;
}

/* ---- files ----------------------------------------------------------------------------------- */

/* The kept row at the end of a row's chain of partners. Partners are earlier rows and rows ascend, so
 * group[partner] is final when it is asked for. */
static void resolve_groups(const wn_dedup *dedup, int64_t *group)
{
    for (int64_t i = 0; i < dedup->n; i++)
        group[i] = dedup->partner[i] == i ? i : group[dedup->partner[i]];
}

static wn_status write_rows(wni_run *run, const wn_dedup *dedup)
{
    int64_t *rows = NULL, kept = 0;
    wn_status st;

    WNI_NEW(run->ctx, rows, dedup->n);
    for (int64_t i = 0; i < dedup->n; i++)
        if (dedup->partner[i] == i) rows[kept++] = i;
    WNI_TRY(wni_out_npy(run->out, "rows.npy", "<i8", sizeof *rows, &kept, 1, rows));
    resolve_groups(dedup, rows);
    WNI_TRY(wni_out_npy(run->out, "groups.npy", "<i8", sizeof *rows, &dedup->n, 1, rows));
done:
    wni_free(run->ctx, rows);
    return st;
}

static wn_status write_why(wni_run *run, const wn_dedup *dedup, wn_why_rule rule)
{
    wn_why *why = NULL;
    wn_status st;

    WNI_NEW(run->ctx, why, dedup->n);
    for (int64_t i = 0; i < dedup->n; i++) {
        bool kept = dedup->partner[i] == i;
        why[i] = (wn_why){.partner = kept ? -1 : dedup->partner[i],
                          .similarity = kept ? NAN : dedup->similarity[i],
                          .cluster = -1,
                          .rule = kept ? WN_WHY_KEPT : rule,
                          .copies = kept};
    }
    WNI_TRY(wni_out_npy(run->out, "why.npy", WN_WHY_DESCR, sizeof *why, &dedup->n, 1, why));
done:
    wni_free(run->ctx, why);
    return st;
}

static wn_status record(wni_run *run, const wn_dedup *dedup, wn_why_rule rule)
{
    const wn_dedup_report *r = &dedup->report;
    wn_status st;

    WNI_TRY(wni_record_int(run, "rows", dedup->n));
    WNI_TRY(wni_record_int(run, "kept", dedup->kept));
    WNI_TRY(wni_record_int(run, "removed", dedup->n - dedup->kept));
    if (rule == WN_WHY_NEAR_DUPLICATE) {
        WNI_TRY(wni_record_int(run, "pairs_compared", r->pairs_compared));
        WNI_TRY(wni_record_int(run, "blocks", r->blocks));
    }
    if (r->recall_sample > 0) {
        WNI_TRY(wni_record_int(run, "recall_sample", r->recall_sample));
        WNI_TRY(wni_record_int(run, "recall_duplicates", r->recall_duplicates));
        WNI_TRY(wni_record_real(run, "recall", r->recall));
    }
    if (rule == WN_WHY_NEAR_DUPLICATE && dedup->kept < dedup->n)
        WNI_TRY(wni_record_real(run, "worst_similarity", r->worst_similarity));
    if (r->zero_rows > 0) {
        WNI_TRY(wni_record_int(run, "zero_rows", r->zero_rows));
        WNI_TRY(wni_record_warn(run,
                                "%lld zero rows have no direction: compared with nothing, kept",
                                (long long)r->zero_rows));
    }
    if (r->blocks > 1 && r->recall_sample == 0)
        WNI_TRY(wni_record_warn(run,
                                "rows were compared within %lld blocks and what that lost was "
                                "not measured: give --recall-sample",
                                (long long)r->blocks));
    else if (r->recall < 1)
        WNI_TRY(wni_record_warn(
            run,
            "comparing within %lld blocks found the duplicates of %.1f %% of the "
            "%lld sampled rows that have one; --blocks 1 finds all",
            (long long)r->blocks, 100 * r->recall, (long long)r->recall_duplicates));
done:
    return st;
}

static wn_status family_run(wni_run *run)
{
    const wn_dedup_ops *ops;
    wn_dedup_input in = {.struct_size = sizeof in, .pool = run->pool};
    wn_why_rule rule =
        strcmp(run->method->name, "exact") == 0 ? WN_WHY_EXACT_DUPLICATE : WN_WHY_NEAR_DUPLICATE;
    int64_t n = wn_pool_rows(run->pool);
    wn_dedup *dedup = NULL;
    wn_status st;

    WNI_TRY(check_input(run->ctx, run->method, &in, &run->estimate, run->params));
    /* why.npy is made when the method's own memory is gone, beside its result. */
    run->estimate.peak_bytes = wni_max(
        run->estimate.peak_bytes, n * (int64_t)(sizeof(wn_why) + sizeof(int64_t) + sizeof(float)));
    if (run->plan) goto done;
    WNI_TRY(wni_pool_need_run(run->ctx, run->pool, run->method, &run->estimate));
    ops = run->method->ops;
    WNI_TRY(ops->run(run->ctx, &in, run->params, &dedup));
    WNI_TRY(write_rows(run, dedup));
    WNI_TRY(write_why(run, dedup, rule));
    WNI_TRY(record(run, dedup, rule));
done:
    wn_dedup_free(dedup);
    return st;
}

static const wn_family_input inputs[] = {
    {"pool", "pool", 1, "the rows: .npy and other vector files, see `winnow info`"}};

const wn_family wni_family_dedup = {
    .name = "dedup",
    .summary = "find rows that repeat an earlier row",
    .default_method = "semantic",
    .inputs = inputs,
    .n_inputs = 1,
    .run = (const void *)family_run,
};
