/* SPDX-License-Identifier: Apache-2.0
 *
 * info: what a pool holds, without changing anything.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* ---- info: options ----------------------------------------------------------------------------- */

static bool parse_whole(const char *text, int64_t low, int64_t high, int64_t *out)
{
    char *end;
    long long x;

    errno = 0;
    x = strtoll(text, &end, 10);
    if (end == text || *end || errno || x < low || x > high) return false;
    *out = x;
    return true;
}

static int bad_option(const char *flag, const char *found, const char *expected)
{
    cli_error("--%s: found '%s', expected %s", flag, found, expected);
    return CLI_USAGE;
}

static int pool_options(const cli_args *args, wn_pool_options *options)
{
    const char *text;

    wn_pool_options_init(options);
    if ((text = cli_args_set(args, "metric"))) {
        int metric = wn_metric_from_name(text);
        if (metric < 0) return bad_option("metric", text, "l2 or cosine");
        options->metric = metric;
    }
    if ((text = cli_args_set(args, "dtype"))) {
        int dtype = wn_dtype_from_name(text);
        if (dtype < 0) return bad_option("dtype", text, "f32 f16 bf16 f64 i8 u8 or i32");
        options->dtype = dtype;
    }
    if ((text = cli_args_set(args, "dim")) && !parse_whole(text, 1, WN_DIM_MAX, &options->dim))
        return bad_option("dim", text, "a whole number from 1 to 65536");
    if ((text = cli_args_set(args, "rows")) && !parse_whole(text, 1, WN_ROWS_MAX, &options->rows))
        return bad_option("rows", text, "a whole number from 1 up");
    options->member = cli_args_set(args, "member");
    return CLI_OK;
}

/* ---- info: what is there ------------------------------------------------------------------------ */

typedef struct pool_info {
    wn_pool *pool;
    wn_pool_report report;
    int64_t duplicates;        /* rows that repeat an earlier one; -1 = not counted */
    int64_t duplicate_rows[2]; /* the first such row and the one it repeats */
    char why_not[512];         /* why they were not counted */
} pool_info;

static wn_status count_duplicates(wn_ctx *ctx, pool_info *info)
{
    const wn_method *exact = wn_method_find("dedup", "exact");
    wn_dedup_input input;
    wn_dedup *dedup = NULL;
    wn_status st;

    info->duplicates = -1;
    if (!exact) return WN_OK;
    memset(&input, 0, sizeof input);
    input.struct_size = sizeof input;
    input.pool = info->pool;
    st = wn_dedup_run(ctx, exact, &input, NULL, &dedup);
    if (st == WN_E_DATA || st == WN_E_BUDGET) { /* the rest of the answer still stands */
        snprintf(info->why_not, sizeof info->why_not, "%s", wn_ctx_error(ctx));
        return WN_OK;
    }
    if (st != WN_OK) return st;
    info->duplicates = dedup->n - dedup->kept;
    for (int64_t i = 0; i < dedup->n && info->duplicates; i++)
        if (dedup->partner[i] != i) {
            info->duplicate_rows[0] = i;
            info->duplicate_rows[1] = dedup->partner[i];
            break;
        }
    wn_dedup_free(dedup);
    return WN_OK;
}

static json_t *rows_json(const int64_t rows[WN_POOL_BAD_ROWS])
{
    json_t *list = json_array();

    for (int i = 0; i < WN_POOL_BAD_ROWS && rows[i] >= 0; i++)
        json_array_append_new(list, json_integer((json_int_t)rows[i]));
    return list;
}

static void print_info_json(const pool_info *info)
{
    const wn_pool_report *r = &info->report;
    json_t *out = json_object(), *shards = json_array();

    for (int32_t i = 0; i < wn_pool_shards(info->pool); i++)
        json_array_append_new(shards,
                              json_pack("{s:s, s:I}", "path", wn_pool_shard_path(info->pool, i),
                                        "rows", (json_int_t)wn_pool_shard_rows(info->pool, i)));
    json_object_set_new(out, "rows", json_integer((json_int_t)r->rows));
    json_object_set_new(out, "dim", json_integer((json_int_t)r->dim));
    json_object_set_new(out, "dtype", json_string(wn_dtype_name(wn_pool_dtype(info->pool))));
    json_object_set_new(out, "metric", json_string(wn_metric_name(wn_pool_metric(info->pool))));
    json_object_set_new(out, "shards", shards);
    json_object_set_new(
        out, "norm",
        json_pack("{s:f, s:f, s:f}", "min", r->min_norm, "mean", r->mean_norm, "max", r->max_norm));
    json_object_set_new(out, "max_abs", json_real(r->max_abs));
    json_object_set_new(out, "nan_rows", json_integer((json_int_t)r->nan_rows));
    json_object_set_new(out, "inf_rows", json_integer((json_int_t)r->inf_rows));
    json_object_set_new(out, "first_bad_rows", rows_json(r->bad_row));
    json_object_set_new(out, "zero_rows", json_integer((json_int_t)r->zero_rows));
    json_object_set_new(out, "first_zero_rows", rows_json(r->zero_row));
    json_object_set_new(out, "exact_duplicates",
                        info->duplicates < 0 ? json_null()
                                             : json_integer((json_int_t)info->duplicates));
    cli_print_json(out);
}

static void print_first(const char *name, const int64_t *rows)
{
    printf("  %-15s", name);
    for (int i = 0; i < WN_POOL_BAD_ROWS && rows[i] >= 0; i++)
        printf("%s%lld", i ? ", " : " ", (long long)rows[i]);
    putchar('\n');
}

static void print_info(const pool_info *info)
{
    const wn_pool_report *r = &info->report;
    int32_t shards = wn_pool_shards(info->pool);
    double bytes =
        (double)r->rows * (double)r->dim * (double)wn_dtype_bytes(wn_pool_dtype(info->pool));
    char a[32];

    printf("rows              %s\n", cli_count_text(r->rows, a));
    printf("dim               %s\n", cli_count_text(r->dim, a));
    printf("dtype             %s (%s)\n", wn_dtype_name(wn_pool_dtype(info->pool)),
           cli_bytes_text(bytes, a));
    printf("metric            %s\n", wn_metric_name(wn_pool_metric(info->pool)));
    printf("norms             min %.6g, mean %.6g, max %.6g\n", r->min_norm, r->mean_norm,
           r->max_norm);
    printf("largest |value|   %.6g\n", r->max_abs);
    printf("NaN rows          %s\n", cli_count_text(r->nan_rows, a));
    printf("Inf rows          %s\n", cli_count_text(r->inf_rows, a));
    if (r->nan_rows + r->inf_rows) print_first("first of these", r->bad_row);
    printf("zero rows         %s\n", cli_count_text(r->zero_rows, a));
    if (r->zero_rows) print_first("first of these", r->zero_row);
    if (info->duplicates >= 0) {
        printf("exact duplicates  %s", cli_count_text(info->duplicates, a));
        if (info->duplicates)
            printf("  first: row %lld repeats row %lld", (long long)info->duplicate_rows[0],
                   (long long)info->duplicate_rows[1]);
        putchar('\n');
    } else if (r->nan_rows + r->inf_rows) {
        puts("exact duplicates  not counted while there are NaN or Inf rows");
    } else if (info->why_not[0]) {
        printf("exact duplicates  not counted: %s\n", info->why_not);
    }
    printf("files             %d, in this order:\n", (int)shards);
    for (int32_t i = 0; i < shards; i++)
        printf("  %12s  %s\n", cli_count_text(wn_pool_shard_rows(info->pool, i), a),
               wn_pool_shard_path(info->pool, i));
}

int cli_run_info(cli_args *args)
{
    cli_progress progress;
    wn_pool_options options;
    pool_info info;
    wn_ctx *ctx = NULL;
    wn_status st;
    int code;

    memset(&info, 0, sizeof info);
    if (args->n_paths == 0) {
        cli_error("info needs a pool: winnow info embeddings.npy");
        return CLI_USAGE;
    }
    if ((code = pool_options(args, &options)) != CLI_OK) return code;
    if (wn_table_is_text_path(args->paths[0]) && args->n_sets) {
        cli_error("--%s is about vectors; %s is text", args->sets[0].name, args->paths[0]);
        return CLI_USAGE;
    }
    if ((code = cli_ctx_new(args, &progress, &ctx)) != CLI_OK) return code;
    if (wn_table_is_text_path(args->paths[0])) {
        code = cli_info_text(args, &progress, ctx);
        wn_ctx_free(ctx);
        return code;
    }
    st = wn_pool_open(ctx, args->paths, args->n_paths, &options, &info.pool);
    if (st == WN_OK) st = wn_pool_check(ctx, info.pool, 0, &info.report);
    if (st == WN_OK) st = count_duplicates(ctx, &info);
    if (st == WN_OK) {
        cli_progress_clear(&progress);
        if (args->json)
            print_info_json(&info);
        else
            print_info(&info);
        code = cli_stdout_end(CLI_OK);
    } else {
        code = cli_fail(&progress, ctx, st);
    }
    wn_pool_free(info.pool);
    wn_ctx_free(ctx);
    return code;
}
