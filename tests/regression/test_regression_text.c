/* SPDX-License-Identifier: Apache-2.0
 *
 * Quality of curate on text as numbers: entropy of WordNet's lexicographer files over its glosses, before and
 * after a twelfth of them is selected. All glosses: in a sample of 1,000 the entropy over 45 values falls by
 * sampling alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/results.h"
#include "support/support.h"

#define WORDNET "/usr/share/wordnet" /* Debian's package wordnet-base */
#define ROWS    117659               /* synsets of WordNet 3.0 */

/* Appends a line per synset of a WordNet data file (wndb(5WN)) to `out`: the number of its lexicographer
 * file, and the gloss. Returns the lines. */
static int add_synsets(FILE *out, const char *pos)
{
    char path[256], line[16384];
    int lines = 0;
    FILE *f;

    snprintf(path, sizeof path, WORDNET "/data.%s", pos);
    f = fopen(path, "rb");
    if (!f) fail_msg("%s is not there", path);
    while (fgets(line, sizeof line, f)) {
        char *gloss = strchr(line, '|'), *end = strchr(line, '\n');

        if (line[0] == ' ') continue; /* the licence */
        if (!gloss || !end) fail_msg("%s: line without a gloss or too long: %.40s", path, line);
        gloss += strspn(gloss, "| ");
        while (end > gloss && end[-1] == ' ')
            end--;
        fprintf(out, "{\"category\": \"%.2s\", \"gloss\": \"", line + strcspn(line, " ") + 1);
        for (; gloss < end; gloss++)
            fprintf(out, *gloss == '"' || *gloss == '\\' ? "\\%c" : "%c", *gloss);
        fputs("\"}\n", out);
        lines++;
    }
    fclose(f);
    return lines;
}

static double count(const wn_job *job, const char *name)
{
    const char *at = strstr(wn_job_summary(job), name);

    if (!at) fail_msg("no %s in the summary", name);
    return strtod(at + strlen(name) + 2, NULL); /* behind the name's quote and the colon */
}

static void test_wordnet(void **state)
{
    static const char *const pos[] = {"noun", "verb", "adj", "adv"};
    static const char params[] = "size=10000 resample_steps=2";
    char corpus[2048];
    double before, after;
    int rows = 0;
    wn_ctx *ctx;
    wn_job *job;
    FILE *f;

    (void)state;
    if (access(WORDNET "/data.noun", R_OK) != 0) {
        print_message("skipped: " WORDNET "/data.noun is not there (wordnet-base)\n");
        skip();
    }
    ts_tmp();
    snprintf(corpus, sizeof corpus, "%s", ts_path("wordnet.jsonl"));
    f = fopen(corpus, "wb");
    assert_non_null(f);
    for (int i = 0; i < 4; i++)
        rows += add_synsets(f, pos[i]);
    assert_int_equal(fclose(f), 0);
    if (rows != ROWS) {
        ts_tmp_remove();
        print_message("skipped: %d synsets, WordNet 3.0 has %d\n", rows, ROWS);
        skip();
    }

    ctx = ts_ctx(2, -1);
    ts_ok(ctx, wn_job_new(ctx, "curate", NULL, &job));
    ts_ok(ctx, wn_job_input(job, "pool", corpus));
    ts_ok(ctx, wn_job_output(job, ts_path("out")));
    ts_ok(ctx, wn_job_set(job, "text", "gloss"));
    ts_ok(ctx, wn_job_set(job, "size", "10000"));
    /* Fewer than the default, to save time. */
    ts_ok(ctx, wn_job_set(job, "resample_steps", "2"));
    ts_ok(ctx, wn_job_run(job));
    before = count(job, "entropy_bits_before");
    after = count(job, "entropy_bits_after");
    wn_job_free(job);
    wn_ctx_free(ctx);
    ts_tmp_remove();

    print_message("wordnet: entropy of category %.3f -> %.3f bits\n", before, after);
    ts_result("curate", "wordnet", params, "entropy_bits_before", "%.3f", before);
    ts_result("curate", "wordnet", params, "entropy_bits_after", "%.3f", after);
    /* The point of the job, whatever the digits. */
    assert_true(after > before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_wordnet)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
