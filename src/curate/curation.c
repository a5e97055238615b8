/* SPDX-License-Identifier: Apache-2.0
 *
 * What every method of the family shares: the object and the checks before a run.
 */
#include <string.h>

#include "base/param.h"
#include "pool/pool_use.h"
#include "winnow/curate.h"

void wn_curation_free(wn_curation *curation)
{
    if (!curation) return;
    wn_dedup_free(curation->exact);
    wn_dedup_free(curation->near);
    wn_tree_free(curation->tree);
    wn_selection_free(curation->selection);
    wni_free(curation->ctx, curation->left);
    wni_free(curation->ctx, curation);
}

wn_status wn_curate_run(wn_ctx *ctx, const wn_method *method, const wn_curate_input *in,
                        const void *params, wn_curation **out)
{
    const wn_curate_ops *ops;
    wn_estimate estimate = {0};
    void *complete = NULL;
    wn_status st;

    *out = NULL;
    if (!method || strcmp(method->family, "curate") != 0)
        return wni_fail(ctx, WN_E_USAGE, "curate: found a method of %s, expected one of curate",
                        method ? method->family : "no family");
    if (!in || in->struct_size < sizeof in->struct_size || !in->pool)
        return wni_fail(ctx, WN_E_USAGE, "curate %s: no pool is given", method->name);
    complete = wni_alloc(ctx, (int64_t)method->params_bytes, 1);
    if (!complete) return WN_E_NOMEM;
    ops = method->ops;
    WNI_TRY(wni_params_complete(ctx, method, params, complete));
    WNI_TRY(ops->estimate(ctx, in, complete, &estimate));
    WNI_TRY(wni_pool_need_run(ctx, in->pool, method, &estimate));
    WNI_TRY(wn_pool_check(ctx, in->pool, 1, NULL));
    WNI_TRY(ops->run(ctx, in, complete, out));
done:
    wni_free(ctx, complete);
    return st;
}
