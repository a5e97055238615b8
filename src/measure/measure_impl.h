/* SPDX-License-Identifier: Apache-2.0
 *
 * What the methods of `measure` share.
 */
#ifndef WNI_MEASURE_IMPL_H
#define WNI_MEASURE_IMPL_H

#include "pool/run.h"
#include "winnow/measure.h"

/* ---- filling a measurement ---------------------------------------------------------------------------- */

wn_status wni_measurement_new(wn_ctx *ctx, wn_measurement **out);

/* Adds a value; group NULL = of no group. Names and texts are copied. */
wn_status wni_measured_int(wn_measurement *m, const char *group, const char *name, int64_t v);
wn_status wni_measured_real(wn_measurement *m, const char *group, const char *name, double v);
wn_status wni_measured_text(wn_measurement *m, const char *group, const char *name, const char *v);

/* Starts the table: the names of the columns, separated by spaces. Cells then come row by row. */
wn_status wni_measured_columns(wn_measurement *m, const char *columns);
wn_status wni_cell_int(wn_measurement *m, int64_t v);
wn_status wni_cell_real(wn_measurement *m, double v);
wn_status wni_cell_text(wn_measurement *m, const char *v);

/* metrics.json, table.csv when there is a table, and the values as counts of the run. */
wn_status wni_measurement_write(wni_run *run, const wn_measurement *m);

/* The error of a row whose distances lie beyond f32. */
wn_status wni_measure_overflow(wn_ctx *ctx, const wn_method *method, int64_t row);

/* ---- selections --------------------------------------------------------------------------------------- */

/* Selections read from files. */
typedef struct wni_chosen_list {
    wn_chosen *v; /* (n); names, rows and weights belong to the list */
    int32_t n;
} wni_chosen_list;

/* What `path` holds: an .npy of row numbers; a folder with rows.npy, and weights.npy beside it when there is
 * one; or a folder with several of either. rows are those of the pool: how many it has. */
wn_status wni_chosen_load(wn_ctx *ctx, const char *path, int64_t rows, wni_chosen_list *out);
void wni_chosen_free(wn_ctx *ctx, wni_chosen_list *list);

/* The group under which the values of a selection stand: none when it is the only one. */
static inline const char *wni_chosen_group(const wn_measure_input *in, int32_t i)
{
    return in->n_chosen > 1 ? in->chosen[i].name : NULL;
}

/* The distinct rows of a selection, ascending, into rows (chosen->n) and their number into *count; mark (n)
 * is zeroed scratch and is zero again after. */
void wni_chosen_distinct(const wn_chosen *chosen, int64_t n, uint8_t *mark, int64_t *rows,
                         int64_t *count);

#endif
