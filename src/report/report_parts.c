/* SPDX-License-Identifier: Apache-2.0
 *
 * Parts that repeat: pairs of rows side by side, clusters with examples.
 */
#include <string.h>

#include "report/report.h"

/* ---- escaping ------------------------------------------------------------------------------ */

void wni_html_escape(wni_str *s, const char *text, int64_t bytes)
{
    int64_t from = 0, i;

    if (bytes < 0) bytes = (int64_t)strlen(text);
    for (i = 0; i < bytes; i++) {
        const char *as = NULL;
        unsigned char c = (unsigned char)text[i];

        if (c == '&') as = "&amp;";
        if (c == '<') as = "&lt;";
        if (c == '>') as = "&gt;";
        if (c == '"') as = "&quot;";
        if (c == '\'') as = "&#39;";
        if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7F) as = "&#xFFFD;";
        if (!as) continue;
        wni_str_addn(s, text + from, i - from);
        wni_str_add(s, as);
        from = i + 1;
    }
    wni_str_addn(s, text + from, bytes - from);
}

/* ---- which words differ -------------------------------------------------------------------------- */

#define WORDS_MAX 128

typedef struct words {
    const char *at[WORDS_MAX];
    int32_t length[WORDS_MAX];
    uint8_t same[WORDS_MAX];
    int32_t n;
} words;

static int is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Cuts at spaces; a text with more words than fit keeps the rest in its last one. */
static void words_cut(const char *text, words *w)
{
    w->n = 0;
    while (*text) {
        const char *from;

        while (is_space(*text))
            text++;
        if (!*text) break;
        from = text;
        if (w->n == WORDS_MAX - 1)
            text += strlen(text);
        else
            while (*text && !is_space(*text))
                text++;
        w->at[w->n] = from;
        w->length[w->n] = (int32_t)(text - from);
        w->same[w->n++] = 0;
    }
}

static int word_equal(const words *a, int32_t i, const words *b, int32_t j)
{
    return a->length[i] == b->length[j] && memcmp(a->at[i], b->at[j], (size_t)a->length[i]) == 0;
}

/* Marks the words of a longest common subsequence as the same. */
static void words_match(words *a, words *b, uint8_t (*best)[WORDS_MAX + 1])
{
    memset(best, 0, (WORDS_MAX + 1) * sizeof *best);
    for (int32_t i = a->n - 1; i >= 0; i--)
        for (int32_t j = b->n - 1; j >= 0; j--) {
            uint8_t down = best[i + 1][j], right = best[i][j + 1];
            best[i][j] = word_equal(a, i, b, j) ? (uint8_t)(best[i + 1][j + 1] + 1)
                         : down > right         ? down
                                                : right;
        }
    for (int32_t i = 0, j = 0; i < a->n && j < b->n;) {
        if (word_equal(a, i, b, j))
            a->same[i++] = b->same[j++] = 1;
        else if (best[i + 1][j] >= best[i][j + 1])
            i++;
        else
            j++;
    }
}

static void words_write(wni_str *s, const words *w)
{
    int open = 0;

    for (int32_t i = 0; i < w->n; i++) {
        if (open && w->same[i]) {
            wni_str_add(s, "</mark>");
            open = 0;
        }
        if (i) wni_str_add(s, " ");
        if (!open && !w->same[i]) {
            wni_str_add(s, "<mark>");
            open = 1;
        }
        wni_html_escape(s, w->at[i], w->length[i]);
    }
    if (open) wni_str_add(s, "</mark>");
}

/* ---- rows ------------------------------------------------------------------------------------ */

static void row_name(wni_str *s, const wni_report_row *row)
{
    char number[32];

    wni_str_addf(s, "row %s", wni_grouped(row->row, number));
    if (row->id) {
        wni_str_add(s, " <span class=\"id\">");
        wni_html_escape(s, row->id, -1);
        wni_str_add(s, "</span>");
    }
}

static void row_side(wni_str *s, const char *class, const char *word, const wni_report_row *row,
                     const words *w)
{
    wni_str_addf(s, "<div class=\"side %s\"><p class=\"who\"><b>%s</b> ", class, word);
    row_name(s, row);
    wni_str_add(s, "</p>");
    if (row->text) {
        wni_str_add(s, "<p class=\"text\" dir=\"auto\">");
        words_write(s, w);
        wni_str_add(s, "</p>");
    }
    wni_str_add(s, "</div>");
}

static void pairs_table(wni_str *s, const wni_report_pair *pairs, int32_t n)
{
    wni_str_add(s, "<div class=\"wide\"><table class=\"pairs\"><thead><tr><th>Cosine</th>"
                   "<th>Dropped</th><th>Beside</th></tr></thead><tbody>\n");
    for (int32_t i = 0; i < n; i++) {
        wni_str_addf(s, "<tr><td>%.4f</td><td>", (double)pairs[i].similarity);
        row_name(s, &pairs[i].dropped);
        wni_str_add(s, "</td><td>");
        row_name(s, &pairs[i].partner);
        wni_str_add(s, pairs[i].partner_dropped ? " (dropped too)</td></tr>\n" : "</td></tr>\n");
    }
    wni_str_add(s, "</tbody></table></div>\n");
}

void wni_report_pairs(wni_str *s, const char *title, const char *note, const wni_report_pair *pairs,
                      int32_t n)
{
    uint8_t(*best)[WORDS_MAX + 1] = NULL;
    int texts = 0;

    if (n <= 0) return;
    for (int32_t i = 0; i < n; i++)
        texts |= pairs[i].dropped.text != NULL;
    wni_str_addf(s, "<h3>%s <small>%s</small></h3>\n", title, note);
    if (!texts) {
        pairs_table(s, pairs, n);
        return;
    }
    best = wni_alloc(s->ctx, WORDS_MAX + 1, sizeof *best);
    if (!best) {
        s->st = WN_E_NOMEM;
        return;
    }
    for (int32_t i = 0; i < n; i++) {
        words a = {.n = 0}, b = {.n = 0};

        if (pairs[i].dropped.text) words_cut(pairs[i].dropped.text, &a);
        if (pairs[i].partner.text) words_cut(pairs[i].partner.text, &b);
        words_match(&a, &b, best);
        wni_str_addf(s, "<div class=\"pair\"><p class=\"sim\">%.4f</p>",
                     (double)pairs[i].similarity);
        row_side(s, "dropped", "dropped", &pairs[i].dropped, &a);
        if (pairs[i].partner_dropped)
            row_side(s, "dropped", "beside, dropped too:", &pairs[i].partner, &b);
        else
            row_side(s, "kept", "stands for it:", &pairs[i].partner, &b);
        wni_str_add(s, "</div>\n");
    }
    wni_free(s->ctx, best);
}

/* ---- clusters -------------------------------------------------------------------------------- */

void wni_report_clusters(wni_str *s, const char *title, const wni_report_cluster *clusters,
                         int32_t n)
{
    char size[32], selected[32], percent[32];

    if (n <= 0) return;
    wni_str_addf(s, "<div class=\"col\"><h3>%s</h3>\n", title);
    for (int32_t i = 0; i < n; i++) {
        const wni_report_cluster *c = &clusters[i];
        int texts = 0;

        for (int32_t r = 0; r < c->n_rows; r++)
            texts |= c->rows[r].text != NULL;
        wni_str_addf(s,
                     "<div class=\"cluster\"><p class=\"who\"><b>%s</b> row%s <span "
                     "class=\"took\">%s taken, %s</span> <span class=\"id\">cluster %d</span></p>",
                     wni_grouped(c->size, size), c->size == 1 ? "" : "s",
                     wni_grouped(c->selected, selected),
                     wni_percent(wni_share(c->selected, c->size), percent), c->cluster);
        if (texts) {
            wni_str_add(s, "<ul>");
            for (int32_t r = 0; r < c->n_rows; r++) {
                wni_str_add(s, "<li dir=\"auto\">");
                wni_html_escape(s, c->rows[r].text ? c->rows[r].text : "(empty)", -1);
                wni_str_add(s, "</li>");
            }
            wni_str_add(s, "</ul>");
        } else if (c->n_rows > 0) {
            wni_str_add(s, "<p class=\"rows\">");
            for (int32_t r = 0; r < c->n_rows; r++) {
                wni_str_add(s, r ? ", " : "");
                row_name(s, &c->rows[r]);
            }
            wni_str_add(s, "</p>");
        }
        wni_str_add(s, "</div>\n");
    }
    wni_str_add(s, "</div>\n");
}
