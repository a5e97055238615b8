/* SPDX-License-Identifier: Apache-2.0
 *
 * Heads of codes: the norms behind them, and how long a head pays. What rows cost is counted from the shares that
 * the kernel reports, in units of a row that is taken whole; every now and then a shorter head is tried, more
 * seldom each time that it costs more. Only speed depends on it.
 */
#include "scan/filter.h"
#include "scan/filter_impl.h"

#define STEP_MIN   16 /* dimensions */
#define JUDGE_ROWS 1536
#define TRY_ROWS   384
#define BACK_MAX   32

/* A row that is not passed over is finished alone, at the latency of its products, and looked at twice. */
#define FINISH_SLOWER 2.5
#define FINISH_DIMS   128 /* what looking costs, in dimensions of a row */

void wni_filter_heads(wni_filter *f)
{
    f->head_step = wni_max(wni_round_up(f->ld / WNI_FILTER_HEADS, STEP_MIN), STEP_MIN);
    f->heads = f->wide ? 0 : (f->ld - 1) / f->head_step;
}

void wni_filter_rest(const wni_filter *f, const uint8_t *codes, int64_t stride, float *rest,
                     int32_t *sum)
{
    int32_t square = 0, total = 0;

    for (int64_t h = f->heads; h >= 0; h--) {
        const int64_t begin = h * f->head_step, end = wni_min(begin + f->head_step, f->ld);
        int32_t part = 0;

        for (int64_t i = begin; i < end; i++) {
            const int32_t code = (int32_t)codes[i] - 128;

            square += code * code;
            part += code;
        }
        total += part;
        if (h == 0) break;
        /* Not below 1, for the product of two; up by more than its few roundings. */
        rest[(h - 1) * stride] =
            (1 + sqrtf((float)square) + (float)f->ld * 0x1p-10f) * (1 + 0x1p-20f);
        if (sum) sum[(h - 1) * stride] = total;
    }
    for (int64_t h = 0; sum && h < f->heads; h++)
        sum[h * stride] = -128 * (total - sum[h * stride]);
}

static double cost_of(const wni_filter *f, const wni_filter_tile *t)
{
    const double head = (double)(t->head.level * f->head_step) / (double)f->ld;
    const double share = (double)t->head.passed / (double)t->head.rows;

    if (t->head.level > f->heads) return 1;
    return head + share * (FINISH_SLOWER * (1 - head) + FINISH_DIMS / (double)f->ld);
}

/* One longer. */
static void give_up(const wni_filter *f, wni_filter_tile *t)
{
    if (t->head.level <= f->heads) t->head.level++;
    t->head.hold = t->head.back;
    t->head.back = wni_min(2 * t->head.back, BACK_MAX);
}

void wni_filter_head_judge(const wni_filter *f, wni_filter_tile *t)
{
    const int trying = t->head.cost > 0;
    double cost;

    t->head.rows += t->m;
    if (t->head.rows < (trying ? TRY_ROWS : JUDGE_ROWS)) return;
    cost = cost_of(f, t);
    if (trying && cost >= t->head.cost)
        give_up(f, t);
    else if (cost > 1)
        give_up(f, t);
    else {
        if (trying) t->head.back = 1;
        if (t->head.hold > 0)
            t->head.hold--;
        else if (t->head.level > 1) {
            t->head.level--;
            t->head.cost = cost;
            t->head.rows = t->head.passed = 0;
            return;
        }
    }
    t->head.cost = 0;
    t->head.rows = t->head.passed = 0;
}
