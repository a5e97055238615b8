/* SPDX-License-Identifier: Apache-2.0 */
#include "ds/topk.h"

static int worse(float s, int64_t number, float than_s, int64_t than_number)
{
    return s < than_s || (s == than_s && number > than_number);
}

/* Puts an entry into the hole at `i` of a heap of `size` places, or further down. */
static void sift_down(float *score, int64_t *at, int64_t size, int64_t i, float s, int64_t number)
{
    for (int64_t child; (child = 2 * i + 1) < size; i = child) {
        if (child + 1 < size && worse(score[child + 1], at[child + 1], score[child], at[child]))
            child++;
        if (!worse(score[child], at[child], s, number)) break;
        score[i] = score[child];
        at[i] = at[child];
    }
    score[i] = s;
    at[i] = number;
}

void wni_topk_push(float *score, int64_t *at, int64_t k, int64_t *size, float s, int64_t number)
{
    int64_t i = *size;

    if (i == k) {
        if (worse(score[0], at[0], s, number)) sift_down(score, at, k, 0, s, number);
        return;
    }
    for (int64_t parent; i > 0; i = parent) {
        parent = (i - 1) / 2;
        if (!worse(s, number, score[parent], at[parent])) break;
        score[i] = score[parent];
        at[i] = at[parent];
    }
    score[i] = s;
    at[i] = number;
    (*size)++;
}

void wni_topk_sort(float *score, int64_t *at, int64_t size)
{
    while (size > 1) {
        float s = score[--size];
        int64_t number = at[size];

        score[size] = score[0];
        at[size] = at[0];
        sift_down(score, at, size, 0, s, number);
    }
}
