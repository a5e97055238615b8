/* SPDX-License-Identifier: Apache-2.0
 *
 * Marks and lifts for dots8, by which it passes over rows whose sums are far below what they need. They hold whatever
 * the usual numbers in the guess are; these only decide how few rows are looked at in vain.
 */
#include <string.h>

#include "scan/filter.h"
#include "scan/filter_impl.h"

#define COLUMNS_MAX 4096 /* from which the usual column is taken */
#define LD_MAX      4096 /* sums are below 2^26 */
#define ROWS_MIN    24   /* rows that pay for the lifts of a group */
#define ROWS_SEEN   32   /* of a tile, for a guess */
#define GUESS_EVERY 64   /* groups */
#define MARK_EVERY  4    /* groups, where needs have risen; but */
#define MARK_ALL    8    /* all of the first */
#define WORTH       9    /* more than one row in so many looked at costs more than looking at all */
#define BACK_MAX    16
#define SD_MIN      0x1p-8 /* of the mean */
#define NUMBER_MAX  0x1p60

typedef struct usual {
    double n, sum, square;
} usual;

static void saw(usual *u, double v)
{
    u->n++;
    u->sum += v;
    u->square += v * v;
}

static wni_usual8 usual_of(const usual *u)
{
    const double mean = u->n > 0 ? u->sum / u->n : 0;
    const double var = u->n > 0 ? u->square / u->n - mean * mean : 0;

    return (wni_usual8){mean, fmax(sqrt(fmax(var, 0)), SD_MIN * fabs(mean))};
}

static float within(double v, double most)
{
    return (float)fmin(fmax(v, -most), most);
}

static wni_product8 product_of(wni_usual8 row, wni_usual8 column)
{
    const double weight = row.sd > 0 ? column.sd / row.sd : 1;

    return (wni_product8){within(row.mean, NUMBER_MAX / 2), within(column.mean, NUMBER_MAX / 2),
                          (float)fmin(fmax(weight, 2 / NUMBER_MAX), NUMBER_MAX / 2)};
}

void wni_filter_marks(wni_filter *f)
{
    const wni_kernels *with = wni_kernels_at(WN_ISA_VNNI);
    const int64_t n = wni_min(f->n, COLUMNS_MAX);
    usual high = {0}, inverse = {0}, room = {0}, rest;

    f->marks = !f->wide && f->ld <= LD_MAX && f->kernels->dots8 == with->dots8 &&
               with->dots8 != wni_kernels_at(WN_ISA_BASE)->dots8;
    if (!f->marks) return;
    for (int64_t i = 0; i < n; i++) {
        const int64_t c = i * f->n / n;

        if (f->scale[c] > 0) saw(&high, (double)f->high[c]);
    }
    f->origin = (float)usual_of(&high).mean;
    for (int64_t i = 0; i < n; i++) {
        const int64_t c = i * f->n / n;
        const double u = 1 / (double)f->scale[c];

        if (!(f->scale[c] > 0)) continue;
        saw(&inverse, u);
        saw(&room, ((double)f->origin - (double)f->high[c]) * u);
    }
    f->inverse = usual_of(&inverse);
    f->room = usual_of(&room);
    for (int64_t h = 0; h < f->heads; h++) {
        memset(&rest, 0, sizeof rest);
        for (int64_t i = 0; i < n; i++) {
            const int64_t c = i * f->n / n;
            const int64_t at = (c / WNI_GROUP8 * f->heads + h) * WNI_GROUP8 + c % WNI_GROUP8;

            if (f->scale[c] > 0) saw(&rest, (double)f->rest[at] * (double)f->scale[c]);
        }
        f->usual_rest[h] = usual_of(&rest);
    }
}

/* What rows need above origin and what is behind the head (rest NULL = none), divided by their scales,
 * and that divisor. Returns whether most rows need anything. */
static int guess_rows(const wni_filter_tile *t, const float *need, const float *rest, double column,
                      double origin, wni_usual8 *needs, wni_usual8 *inverse)
{
    const int64_t step = wni_max(t->m / ROWS_SEEN, 1);
    usual a = {0}, b = {0};

    for (int64_t r = 0; r < t->m; r += step) {
        const double scale = (double)t->scale[r], one = 1 / scale;
        const double left = (double)need[r] - (rest ? (double)rest[r] * scale * column : 0);

        if (t->plain[r]) continue;
        saw(&b, one);
        if (fabs((double)need[r]) < NUMBER_MAX) saw(&a, (left - origin) * one);
    }
    *needs = usual_of(&a);
    *inverse = usual_of(&b);
    return 2 * a.n > b.n;
}

/* The largest 1 / scale. */
static float most_of(const wni_filter_tile *t)
{
    float least = FLT_MAX;

    for (int64_t r = 0; r < t->m; r++)
        least = t->plain[r] || t->scale[r] > least ? least : t->scale[r];
    return 1 / least;
}

static wni_product8 guess_rest(const wni_filter *f, const wni_filter_tile *t, const float *rest,
                               int64_t head)
{
    const int64_t step = wni_max(t->m / ROWS_SEEN, 1);
    usual size = {0};

    for (int64_t r = 0; r < t->m; r += step)
        if (!t->plain[r]) saw(&size, -(double)rest[r] * (double)t->scale[r]);
    return product_of(usual_of(&size), f->usual_rest[head]);
}

/* Where columns have needs: those above high, about an origin, divided by the scales. Returns whether most have any. */
static int guess_others(const wni_group8 *group, const float *other, float *origin,
                        wni_usual8 *columns)
{
    usual away = {0}, room = {0};
    double v[WNI_GROUP8];

    for (int c = 0; c < WNI_GROUP8; c++) {
        v[c] = (double)other[c] - (double)group->high[c];
        if (!(group->scale[c] > 0)) v[c] = NAN;
        if (fabs(v[c]) < NUMBER_MAX) saw(&away, v[c]);
    }
    if (2 * (int64_t)away.n <= WNI_GROUP8) return 0;
    *origin = (float)-(away.sum / away.n);
    for (int c = 0; c < WNI_GROUP8; c++)
        if (fabs(v[c]) < NUMBER_MAX) saw(&room, ((double)*origin + v[c]) / (double)group->scale[c]);
    *columns = usual_of(&room);
    return 1;
}

/* rest, of the head in use, or NULL. */
static int guess(const wni_filter *f, wni_filter_tile *t, const wni_group8 *group,
                 const float *rest, int64_t head)
{
    wni_guess8 *one = &t->guess[0], *two = &t->guess[1];
    wni_usual8 needs, inverse, room = f->room;
    double apart = 0, column = 0;

    one->most = two->most = most_of(t);
    if (rest) {
        one->rest = two->rest = guess_rest(f, t, rest, head);
        column = f->usual_rest[head].mean;
        apart = (double)one->rest.row * f->usual_rest[head].sd * f->inverse.mean;
    }
    one->origin = f->origin;
    if (!guess_rows(t, t->need, rest, column, (double)f->origin, &needs, &inverse)) return 0;
    room.sd = sqrt(room.sd * room.sd + apart * apart);
    one->need = product_of(needs, f->inverse);
    one->high = product_of(inverse, room);
    if (!group->other) return 1;
    if (!guess_others(group, group->other, &two->origin, &room)) return 0;
    if (!guess_rows(t, t->own, rest, column, (double)two->origin, &needs, &inverse)) return 0;
    room.sd = sqrt(room.sd * room.sd + apart * apart);
    two->need = product_of(needs, f->inverse);
    two->high = product_of(inverse, room);
    return 1;
}

/* Whether the n marks made of `seen` still hold: no need is lower; and whether they are worth another few groups. */
static int still_good(const float *seen, const float *need, int64_t n, int64_t groups)
{
    int lower = 0, higher = 0;

    for (int64_t r = 0; r < n; r++) {
        lower |= need[r] < seen[r];
        higher |= need[r] > seen[r];
    }
    return !lower && (!higher || (groups >= MARK_ALL && groups % MARK_EVERY > 0));
}

/* The marks of a guess. */
static void mark(const wni_filter *f, wni_filter_tile *t, int which, const float *need,
                 const float *rest, int stale)
{
    float *seen = t->marked + which * t->rows;

    if (!stale && still_good(seen, need, t->m, t->marking.groups)) return;
    memcpy(seen, need, (size_t)t->m * sizeof *need);
    f->kernels->marks8(&t->guess[which], t->scale, need, rest, t->m, t->mark + which * t->rows);
}

/* Needs that rise from nothing differ too much among rows: most would be looked at in vain. */
static int needs_known(const wni_filter_tile *t)
{
    int64_t known = 0;

    for (int64_t r = 0; r < t->m; r++)
        known += t->need[r] > WNI_FILTER_LOWEST;
    return 2 * known > t->m;
}

/* Often while a tile is new. */
static int guess_is_due(int64_t groups)
{
    return groups < 2 || groups == 4 || groups == 16 || groups % GUESS_EVERY == 0;
}

void wni_filter_mark(const wni_filter *f, wni_filter_tile *t, wni_group8 *group, wni_rows8 *rows,
                     int32_t *lift)
{
    const int64_t head = group->head ? t->head.level - 1 : -1, seen = t->marking.groups++;
    const float *rest = group->head ? rows->rest : NULL;
    int stale = t->marking.head != head;

    if (!f->marks || t->m < ROWS_MIN) return;
    if (seen == 0) t->marking.off = rows->keep > 0 && !needs_known(t);
    /* Where needs differ so much among rows, bounds rule out more by a head than marks, so that it can be shorter. */
    if (t->marking.off || (rows->keep > 0 && group->head)) return;
    if (t->marking.skip > 0) {
        t->marking.skip--;
        return;
    }
    if (stale || !t->marking.guessed || guess_is_due(seen)) {
        t->marking.guessed = guess(f, t, group, rest, head);
        t->marking.head = head;
        stale = 1;
    }
    if (!t->marking.guessed) return;
    mark(f, t, 0, t->need, rest, stale);
    f->kernels->lifts8(&t->guess[0], group, NULL, lift);
    if (group->other) {
        mark(f, t, 1, t->own, rest, stale);
        f->kernels->lifts8(&t->guess[1], group, group->other, lift + WNI_GROUP8);
    }
    group->lift = lift;
    group->lift_other = lift + WNI_GROUP8;
    rows->mark = t->mark;
    rows->mark_other = t->mark + t->rows;
    if (head < 0) rows->passed = &t->marking.passed;
}

/* What was learnt holds for the tiles that follow. */
void wni_filter_mark_judge(wni_filter_tile *t)
{
    if (t->marking.passed > t->m / WORTH) {
        t->marking.skip = t->marking.back;
        t->marking.back = wni_min(2 * t->marking.back, BACK_MAX);
    } else
        t->marking.back = 1;
    t->marking.passed = 0;
}
