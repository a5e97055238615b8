/* SPDX-License-Identifier: Apache-2.0
 *
 * Agreement of a partition with classes, from the table of how often each pair of labels occurs.
 */
#include <math.h>

#include "base/fixmath.h"
#include "ds/keyed.h"
#include "measure/partition_values.h"

/* Pairs among x things. */
static double pairs(double x)
{
    return x * (x - 1) / 2;
}

static double plogp(double count, double total)
{
    double p = count / total;

    return count > 0 ? p * wni_log_fixed(p) : 0;
}

typedef struct totals {
    double pairs, entropy;
} totals;

static totals of_counts(const int64_t *count, int32_t k, double n)
{
    totals t = {0, 0};

    for (int32_t c = 0; c < k; c++) {
        t.pairs += pairs((double)count[c]);
        t.entropy -= plogp((double)count[c], n);
    }
    return t;
}

/* From the cells of the table: same = sum of pairs, joint = entropy of the cells. */
static void conclude(wni_agreement *out, totals a, totals b, totals cells, double n)
{
    double mutual = fmax(a.entropy + b.entropy - cells.entropy, 0);
    double expected = n > 1 ? a.pairs * b.pairs / pairs(n) : 0;
    double most = (a.pairs + b.pairs) / 2;

    out->rand_adjusted = most == expected ? 1 : (cells.pairs - expected) / (most - expected);
    out->homogeneity = b.entropy > 0 ? fmin(mutual / b.entropy, 1) : 1;
    out->completeness = a.entropy > 0 ? fmin(mutual / a.entropy, 1) : 1;
    out->v_measure =
        out->homogeneity + out->completeness > 0
            ? 2 * out->homogeneity * out->completeness / (out->homogeneity + out->completeness)
            : 0;
    out->mutual_normalised = a.entropy > 0 && b.entropy > 0
                                 ? fmin(mutual / sqrt(a.entropy * b.entropy), 1)
                                 : (a.entropy == b.entropy ? 1 : 0);
}

wn_status wni_agreement_of(wn_ctx *ctx, const wni_parts *parts, const wni_parts *classes,
                           wni_agreement *out)
{
    int64_t *in_part = NULL, *in_class = NULL, m = 0;
    wni_keyed *cell = NULL;
    totals joint = {0, 0};
    wn_status st;

    WNI_NEW0(ctx, in_part, parts->k);
    WNI_NEW0(ctx, in_class, classes->k);
    WNI_NEW(ctx, cell, parts->n);
    for (int64_t i = 0; i < parts->n; i++) {
        int32_t a = parts->label[i], b = classes->label[i];
        if (a < 0 || b < 0) continue;
        in_part[a]++;
        in_class[b]++;
        cell[m++] = (wni_keyed){(uint64_t)a << 32 | (uint32_t)b, i};
    }
    if (m == 0) {
        st = wni_fail(ctx, WN_E_DATA, "measure partition: no row has both a cluster and a class");
        goto done;
    }
    WNI_TRY(wni_keyed_sort_long(ctx, cell, m));
    for (int64_t i = 0, first = 0; i < m; i++) {
        if (i + 1 < m && cell[i + 1].key == cell[first].key) continue;
        joint.pairs += pairs((double)(i + 1 - first));
        joint.entropy -= plogp((double)(i + 1 - first), (double)m);
        first = i + 1;
    }
    out->rows = m;
    conclude(out, of_counts(in_part, parts->k, (double)m),
             of_counts(in_class, classes->k, (double)m), joint, (double)m);
done:
    wni_free(ctx, in_part);
    wni_free(ctx, in_class);
    wni_free(ctx, cell);
    return st;
}
