/* SPDX-License-Identifier: Apache-2.0
 *
 * --explain: how a run was done, from its summary and its plan.
 */
#include "cli.h"

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

/* Rows that were compared in codes first, and what the codes left to f32. */
static void codes_line(FILE *to, const json_t *summary, wn_isa isa, bool no_filter)
{
    const json_t *filter = json_object_get(summary, "filter");
    const double rows = number(filter, "rows"), plain = number(filter, "plain");
    char a[32];

    fprintf(to, "    in codes first  ");
    if (rows > 0)
        fprintf(to, "%s rows; %.1f %% needed more than one f32 score, %.2f scores a row\n",
                cli_count_text((int64_t)rows, a), 100 * number(filter, "verified") / rows,
                number(filter, "candidates") / rows);
    else if (no_filter)
        fprintf(to, "none: --no-filter\n");
    else if (isa < WN_ISA_VNNI)
        fprintf(to, "none: %s has no products of 8-bit codes\n", wn_isa_name(isa));
    else
        fprintf(to, "none: no comparison of rows large enough for codes to pay\n");
    if (plain > 0)
        fprintf(to, "    in f32 alone    %s rows, for which codes would not have paid\n",
                cli_count_text((int64_t)plain, a));
}

void cli_print_explanation(FILE *to, const json_t *summary, const wn_estimate *plan, wn_isa isa,
                           bool no_filter)
{
    const double sec = number(summary, "seconds"), cpu_sec = number(summary, "cpu_seconds");
    char a[32], b[32], c[32];

    fprintf(to, "  how it was done\n");
    fprintf(to, "    instructions    %s, %d threads, %.1f of them at work on average\n",
            wn_isa_name(isa), (int)number(summary, "threads"), sec > 0 ? cpu_sec / sec : 0);
    codes_line(to, summary, isa, no_filter);
    fprintf(to, "    memory          %s at most, mapped files included; %s would do, budget %s\n",
            cli_bytes_text(number(summary, "peak_allocated_bytes"), a),
            cli_bytes_enough_text((double)plan->peak_bytes, b),
            cli_bytes_text(number(summary, "memory_bytes"), c));
    fprintf(to, "    planned work    %.3g GFLOP at most, %s read at most, every pass counted\n",
            plan->flops / 1e9, cli_bytes_text(plan->bytes_read, a));
}
