/* SPDX-License-Identifier: Apache-2.0 */
#include "score/score_trajectory.h"

#define READ_BYTES ((int64_t)1 << 18)

typedef struct judging {
    const wni_trajectory *job;
    wn_scores *scores;
    int64_t ld, t, slot;
    float *slots; /* (threads, slot) */
} judging;

static int64_t grain_of(int64_t ld)
{
    return wni_max(READ_BYTES / (ld * (int64_t)sizeof(float)), 1);
}

void wni_trajectory_estimate(const wn_ctx *ctx, const wn_pool *losses, wn_estimate *out)
{
    const int64_t n = wn_pool_rows(losses), d = wn_pool_dim(losses), ld = wni_ld(d);

    *out = (wn_estimate){0};
    out->peak_bytes = n * 5 + wn_ctx_threads(ctx) * grain_of(ld) * ld * 4 + 65536;
    out->flops = (double)n * (double)d;
    out->bytes_read = (double)n * (double)d * (double)wn_dtype_bytes(wn_pool_dtype(losses));
}

static wn_status judge_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const judging *j = arg;
    float *x = j->slots + worker * j->slot;
    wn_status st;

    WNI_TRY(wn_pool_read(ctx, j->job->losses, begin, end - begin, x, j->ld));
    for (int64_t i = begin; i < end; i++, x += j->ld) {
        float hard = 0;
        uint8_t flag = 0;
        WNI_TRY(j->job->judge(ctx, j->job, i, x, j->t, &hard, &flag));
        j->scores->v[i] = j->job->hard ? hard : 0.0f - hard;
        if (j->scores->flags) j->scores->flags[i] = flag;
    }
done:
    return st;
}

wn_status wni_trajectory_run(wn_ctx *ctx, const wni_trajectory *job, wn_scores *scores)
{
    judging j = {.job = job, .scores = scores, .ld = wni_ld(wn_pool_dim(job->losses))};
    const int64_t n = scores->n, columns = wn_pool_dim(job->losses);
    wn_status st;

    if (job->epochs > columns)
        return wni_fail(
            ctx, WN_E_DATA,
            "%s: epochs is %lld but the matrix has %lld columns: lower --epochs, or give "
            "0 for all",
            job->what, (long long)job->epochs, (long long)columns);
    j.t = job->epochs ? job->epochs : columns;
    j.slot = grain_of(j.ld) * j.ld;
    WNI_NEW(ctx, j.slots, wn_ctx_threads(ctx) * j.slot);
    wni_progress(ctx, "trajectories", 0, n);
    WNI_TRY(wni_parallel(ctx, n, grain_of(j.ld), judge_range, &j));
    wni_progress(ctx, "trajectories", n, n);
done:
    wni_free(ctx, j.slots);
    return st;
}
