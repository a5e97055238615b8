/* SPDX-License-Identifier: Apache-2.0
 *
 * The page: its style and its sections, top to bottom.
 */
#include <stdio.h>
#include <string.h>

#include "report/report.h"
#include "winnow/base.h"

static const char *const style[] = {
    ":root{color-scheme:light dark;--paper:#faf9f6;--ink:#1c1e22;--soft:#666b74;--line:#e2dfd8;"
    "--keep:#1d6b67;--keep-soft:#d5e5e2;--drop:#b1512c;--drop-soft:#f3ded3;--was:#c8c9cb}\n",
    "@media(prefers-color-scheme:dark){:root{--paper:#15171a;--ink:#e8e6e1;--soft:#9a9fa8;"
    "--line:#2d3136;--keep:#62b9b1;--keep-soft:#21383a;--drop:#e08c64;--drop-soft:#43291f;"
    "--was:#4a4e55}}\n",
    "@media print{:root{--paper:#fff}section,.pair,.cluster{break-inside:avoid}}\n",
    "*{box-sizing:border-box}\n",
    "body{margin:0 auto;padding:56px 28px 72px;max-width:1120px;background:var(--paper);"
    "color:var(--ink);font:16px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\","
    "\"Helvetica Neue\",Arial,sans-serif;font-variant-numeric:tabular-nums;"
    "-webkit-text-size-adjust:100%;print-color-adjust:exact;-webkit-print-color-adjust:exact}\n",
    "h1{font-size:clamp(28px,4.6vw,44px);line-height:1.12;letter-spacing:-.02em;font-weight:650;"
    "margin:0 0 14px;text-wrap:balance}h2{font-size:17px;line-height:1.3;font-weight:650;margin:0}"
    "h3{font-size:15px;font-weight:650;margin:28px 0 10px}section h3:first-child,.col "
    "h3{margin-top:0}h3 small{font-size:inherit;font-weight:400;color:var(--soft)}p{margin:0}\n",
    ".eyebrow{font-size:13px;color:var(--soft);margin-bottom:18px}.eyebrow b{color:var(--keep);"
    "font-weight:650}.lead{font-size:18px;color:var(--soft);max-width:44em}\n",
    "header{padding-bottom:40px}section{border-top:1px solid var(--line);padding:32px 0 40px;"
    "display:grid;grid-template-columns:210px minmax(0,1fr);gap:14px 44px}section>.say "
    "p{font-size:14px;color:var(--soft);margin-top:8px}\n",
    "svg{display:block;width:100%;height:100%;overflow:visible}.bar,.after{fill:var(--keep)}"
    ".flow{fill:var(--keep-soft)}.gone{fill:var(--drop-soft)}.before{fill:var(--was)}"
    ".drop{fill:var(--drop)}.grid,.axis{stroke:var(--line);stroke-width:1;"
    "vector-effect:non-scaling-stroke}.axis{stroke:var(--soft)}\n",
    ".stage,.step{display:grid;grid-template-columns:168px minmax(0,1fr) 108px 66px;"
    "column-gap:14px;align-items:center}.stage svg{height:34px}.stage .num,.stage "
    ".pct{text-align:right}.stage .num{font-weight:650}.stage .pct{color:var(--soft)}"
    ".stage:not(.last) .bar{opacity:.82}.step svg{height:36px}.step .lost{grid-column:3/5;"
    "text-align:right;font-size:13px;line-height:1.25;color:var(--drop)}.step "
    ".none{color:var(--soft)}\n",
    "figure{margin:0 0 8px}figcaption,.scale{font-size:13px;color:var(--soft);margin-top:6px}"
    ".plot{position:relative;height:220px;margin:6px 0 0 52px}.plot.short{height:150px}"
    ".plot .y{position:absolute;right:100%;transform:translateY(50%);padding-right:8px;"
    "font-size:12px;line-height:1;color:var(--soft)}.xaxis{display:flex;"
    "justify-content:space-between;margin:6px 0 0 52px;font-size:12px;color:var(--soft)}"
    ".scale{margin-left:52px}\n",
    ".key{display:flex;flex-wrap:wrap;gap:4px 20px;font-size:13px;color:var(--soft);"
    "margin-bottom:14px}.key i{display:inline-block;width:11px;height:11px;margin-right:7px;"
    "border-radius:2px}.key .b{background:var(--was)}.key .a{background:var(--keep)}\n",
    ".pair{display:grid;grid-template-columns:58px minmax(0,1fr) minmax(0,1fr);gap:4px 22px;"
    "padding:11px 0;border-top:1px solid var(--line);font-size:14.5px}.pair .sim{font-weight:650}"
    ".who{font-size:13px;color:var(--soft)}.who b{font-weight:650;color:var(--ink)}"
    ".dropped .who b{color:var(--drop)}.kept .who b{color:var(--keep)}.text{margin-top:2px;"
    "overflow-wrap:anywhere}.id{color:var(--soft);opacity:.8;overflow-wrap:anywhere}"
    "mark{color:inherit;background:var(--drop-soft);border-radius:2px;padding:0 2px;margin:0 -2px}"
    ".kept mark{background:var(--keep-soft)}\n",
    ".cols{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(310px,100%),1fr));"
    "gap:24px 44px}.cluster{padding:10px 0;border-top:1px solid var(--line)}.cluster "
    "ul{margin:4px 0 0;padding:0;list-style:none;font-size:14.5px}.cluster li{padding:1px 0;"
    "white-space:nowrap;overflow:hidden;text-overflow:ellipsis}.cluster "
    ".took{color:var(--keep)}.cluster .who b{font-size:15px}.rows{font-size:13.5px;"
    "margin-top:3px}\n",
    ".facts3{display:flex;flex-wrap:wrap;gap:8px 40px;margin:0 0 18px}.facts3 div{font-size:13px;"
    "color:var(--soft)}.facts3 b{display:block;font-size:26px;line-height:1.2;font-weight:600;"
    "letter-spacing:-.01em;color:var(--ink)}\n",
    ".wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:14.5px}"
    "th{text-align:left;font-weight:400;font-size:13px;color:var(--soft);padding:4px 14px 6px "
    "0}td{border-top:1px solid var(--line);padding:6px 14px 6px 0;vertical-align:top;"
    "overflow-wrap:anywhere}td.n,th.n{text-align:right;white-space:nowrap;overflow-wrap:normal}"
    "td:last-child,th:last-child{padding-right:0}tr.default td{color:var(--soft)}\n",
    ".cats td{padding-top:5px;padding-bottom:5px;vertical-align:middle}.cats "
    "td:first-child{overflow-wrap:normal}.cats td.b{width:44%}"
    "table.pairs{table-layout:fixed}svg.twin{height:16px}\n",
    "ul.warn{margin:0;padding:0;list-style:none}ul.warn li{border-left:3px solid var(--drop);"
    "padding:2px 0 2px 14px;margin-bottom:10px}\n",
    "code,.mono{font:13.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,\"DejaVu Sans "
    "Mono\",monospace}pre{margin:0;padding:14px 16px;border:1px solid var(--line);"
    "border-radius:6px;overflow-x:auto;user-select:all;-webkit-user-select:all}"
    "footer{border-top:1px solid var(--line);padding-top:18px;font-size:13px;"
    "color:var(--soft)}\n",
    "@media(max-width:760px){body{padding:32px 18px 48px}section{grid-template-columns:minmax(0,"
    "1fr)}.stage,.step{grid-template-columns:minmax(0,1fr) 76px 64px;column-gap:10px}.stage "
    ".name{grid-column:1;grid-row:1;font-size:14px}.stage .num{grid-column:2;grid-row:1}.stage "
    ".pct{grid-column:3;grid-row:1}.stage svg{grid-column:1/4;grid-row:2;height:24px;margin-top:"
    "3px}.step span:first-child,.step svg{display:none}.step .lost{grid-column:1/4;text-align:left;"
    "padding:5px 0 9px}.pair{grid-template-columns:minmax(0,1fr)}.cats td:nth-child(3),.cats "
    "th:nth-child(3),.cats td:nth-child(5),.cats th:nth-child(5){display:none}"
    ".plot,.xaxis,.scale{margin-left:44px}}\n",
};

static void section(wni_str *s, const char *title, const char *say)
{
    wni_str_addf(s, "<section><div class=\"say\"><h2>%s</h2><p>%s</p></div><div>\n", title, say);
}

static void section_end(wni_str *s)
{
    wni_str_add(s, "</div></section>\n");
}

static void head(wni_str *s, const wni_report *r)
{
    wni_str_add(s, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                   "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                   "<title>");
    wni_html_escape(s, r->headline, -1);
    wni_str_add(s, "</title>\n<style>\n");
    for (size_t i = 0; i < sizeof style / sizeof style[0]; i++)
        wni_str_add(s, style[i]);
    wni_str_add(s, "</style></head><body>\n<header><p class=\"eyebrow\"><b>winnow</b> ");
    wni_html_escape(s, r->command, -1);
    wni_str_add(s, "</p><h1>");
    wni_html_escape(s, r->headline, -1);
    wni_str_add(s, "</h1><p class=\"lead\">");
    wni_html_escape(s, r->lead, -1);
    wni_str_add(s, "</p></header>\n");
}

static void warnings(wni_str *s, const wni_report *r)
{
    if (r->n_warnings <= 0) return;
    section(s, "Warnings", "What this run wants you to know.");
    wni_str_add(s, "<ul class=\"warn\">");
    for (int32_t i = 0; i < r->n_warnings; i++) {
        wni_str_add(s, "<li>");
        wni_html_escape(s, r->warnings[i], -1);
        wni_str_add(s, "</li>\n");
    }
    wni_str_add(s, "</ul>");
    section_end(s);
}

static void flow(wni_str *s, const wni_report *r)
{
    if (r->n_stages <= 0) return;
    section(s, "From all rows to the chosen ones",
            "Each bar is what was left after a step; the share is of all rows read.");
    wni_svg_funnel(s, r->stages, r->n_stages);
    section_end(s);
}

static void duplicates(wni_str *s, const wni_report *r)
{
    int texts = (r->n_most_similar > 0 && r->most_similar[0].dropped.text) ||
                (r->n_exact > 0 && r->exact[0].dropped.text);

    if (r->exact_duplicates + r->near_duplicates <= 0) return;
    section(s, "What was dropped, and why",
            texts
                ? "Every dropped row has one row that stands for it. Words that differ are marked."
                : "Every dropped row has one row that stands for it.");
    if (r->similarity_bins > 0 && r->near_duplicates > 0) {
        wni_str_add(s, "<h3>How similar the near duplicates were</h3>\n");
        wni_svg_histogram(s, r->similarity_counts, r->similarity_bins, r->similarity_low);
    }
    wni_report_pairs(s, "Closest to the threshold", "are these still the same?", r->borderline,
                     r->n_borderline);
    wni_report_pairs(s, "Most similar", "of the near duplicates", r->most_similar,
                     r->n_most_similar);
    wni_report_pairs(s, "Exact duplicates", "the same vector, byte for byte", r->exact, r->n_exact);
    section_end(s);
}

static void fact3(wni_str *s, const char *value, const char *name)
{
    wni_str_addf(s, "<div><b>%s</b>%s</div>", value, name);
}

static void levels(wni_str *s, const wni_report *r)
{
    char a[32], title[64];

    if (r->n_levels <= 0) return;
    section(s, "Clusters, before and after",
            "From the largest cluster to the smallest. The budget flows from the coarsest level "
            "down: every cluster there gets the same until it is exhausted, and shares its part "
            "among its own clusters in the same way.");
    wni_str_add(s, "<p class=\"key\"><span><i class=\"b\"></i>rows before the selection</span>"
                   "<span><i class=\"a\"></i>rows selected</span></p>\n");
    for (int32_t i = 0; i < r->n_levels; i++) {
        const wni_report_level *level = &r->levels[i];

        snprintf(title, sizeof title, "Level %d%s", i + 1,
                 r->n_levels == 1       ? ""
                 : i == 0               ? ", the finest"
                 : i == r->n_levels - 1 ? ", the coarsest"
                                        : "");
        wni_str_addf(s, "<h3>%s</h3>\n<div class=\"facts3\">", title);
        fact3(s, wni_grouped(level->clusters, a), "clusters");
        fact3(s, wni_grouped(level->smallest, a), "rows in the smallest");
        fact3(s, wni_grouped(level->median, a), "in the median one");
        fact3(s, wni_grouped(level->largest, a), "in the largest");
        wni_str_addf(s, "<div><b>%.2f &rarr; %.2f</b>imbalance (1 = all equal)</div></div>\n",
                     level->imbalance_before, level->imbalance_after);
        wni_svg_sizes(s, level);
    }
    section_end(s);
}

static void examples(wni_str *s, const wni_report *r)
{
    if (r->n_largest + r->n_smallest <= 0) return;
    section(s, "Largest and smallest clusters",
            "Of the finest level, each with a few of its rows. Rows taken are shown first.");
    wni_str_add(s, "<div class=\"cols\">\n");
    wni_report_clusters(s, "Largest", r->largest, r->n_largest);
    wni_report_clusters(s, "Smallest", r->smallest, r->n_smallest);
    wni_str_add(s, "</div>\n");
    section_end(s);
}

static void category(wni_str *s, const wni_report *r, const wni_report_category *c, double widest)
{
    double before = wni_share(c->before, r->categories_before),
           after = wni_share(c->after, r->categories_after);
    char a[32], b[32];

    wni_str_add(s, "<tr><td>");
    wni_html_escape(s, c->name, -1);
    wni_str_add(s, "</td><td class=\"b\">");
    wni_svg_twin_bars(s, before, after, widest);
    wni_str_addf(s, "</td><td class=\"n\">%s</td><td class=\"n\">%s</td>",
                 wni_grouped(c->before, a), wni_percent(before, b));
    wni_str_addf(s, "<td class=\"n\">%s</td><td class=\"n\">%s</td></tr>\n",
                 wni_grouped(c->after, a), wni_percent(after, b));
}

static void balance(wni_str *s, const wni_report *r)
{
    double widest = 0;
    char number[32], name[64];

    if (r->n_categories <= 0) return;
    section(s, "Balance over a column",
            "winnow does not read this column when it selects: it shows from outside how even the "
            "selection is. Entropy is highest when all values are equally frequent.");
    wni_str_addf(s, "<div class=\"facts3\"><div><b>%.3f &rarr; %.3f</b>bits of entropy</div>",
                 r->entropy_before, r->entropy_after);
    wni_str_addf(s, "<div><b>%s</b>values of <span class=\"mono\">",
                 wni_grouped(r->distinct_categories, number));
    wni_html_escape(s, r->category_column, -1);
    wni_str_add(s, "</span></div></div>\n<p class=\"key\"><span><i class=\"b\"></i>share of all "
                   "rows</span><span><i class=\"a\"></i>share of the selection</span></p>\n"
                   "<table class=\"cats\"><thead><tr><th></th><th></th><th class=\"n\">All</th>"
                   "<th class=\"n\">Share</th><th class=\"n\">Selected</th><th class=\"n\">Share"
                   "</th></tr></thead><tbody>\n");
    for (int32_t i = 0; i < r->n_categories; i++) {
        double before = wni_share(r->categories[i].before, r->categories_before),
               after = wni_share(r->categories[i].after, r->categories_after);
        widest = before > widest ? before : widest;
        widest = after > widest ? after : widest;
    }
    for (int32_t i = 0; i < r->n_categories; i++)
        category(s, r, &r->categories[i], widest);
    if (r->other_categories > 0) {
        wni_report_category rest = {name, r->other_before, r->other_after};
        snprintf(name, sizeof name, "%s others", wni_grouped(r->other_categories, number));
        category(s, r, &rest, widest);
    }
    wni_str_add(s, "</tbody></table>\n");
    section_end(s);
}

static void facts(wni_str *s, const char *title, const wni_report_fact *f, int32_t n)
{
    if (n <= 0) return;
    wni_str_addf(s, "<div class=\"col\"><h3>%s</h3><table><tbody>\n", title);
    for (int32_t i = 0; i < n; i++) {
        wni_str_addf(s, "<tr%s><td>", f[i].is_default ? " class=\"default\"" : "");
        wni_html_escape(s, f[i].name, -1);
        wni_str_add(s, "</td><td class=\"n\">");
        wni_html_escape(s, f[i].value[0] ? f[i].value : "\xE2\x80\x93", -1);
        wni_str_add(s, "</td></tr>\n");
    }
    wni_str_add(s, "</tbody></table></div>\n");
}

static void settings(wni_str *s, const wni_report *r)
{
    if (r->n_params + r->n_counts <= 0) return;
    section(s, "Settings and counts", "Parameters in grey have their default.");
    wni_str_add(s, "<div class=\"cols\">\n");
    facts(s, "Parameters", r->params, r->n_params);
    facts(s, "Counts", r->counts, r->n_counts);
    wni_str_add(s, "</div>\n");
    section_end(s);
}

static void inputs(wni_str *s, const wni_report *r)
{
    char number[32];

    if (r->n_inputs <= 0) return;
    section(s, "Input", "What was read, in reading order.");
    wni_str_add(s, "<div class=\"wide\"><table><thead><tr><th>File</th><th class=\"n\">Bytes</th>");
    wni_str_add(s, r->inputs[0].hash ? "<th class=\"n\">XXH3</th></tr></thead><tbody>\n"
                                     : "</tr></thead><tbody>\n");
    for (int32_t i = 0; i < r->n_inputs; i++) {
        wni_str_add(s, "<tr><td class=\"mono\">");
        wni_html_escape(s, r->inputs[i].path, -1);
        wni_str_addf(s, "</td><td class=\"n\">%s</td>", wni_grouped(r->inputs[i].bytes, number));
        if (r->inputs[i].hash) {
            wni_str_add(s, "<td class=\"n mono\">");
            wni_html_escape(s, r->inputs[i].hash, -1);
            wni_str_add(s, "</td>");
        }
        wni_str_add(s, "</tr>\n");
    }
    wni_str_add(s, "</tbody></table></div>\n");
    if (r->more_inputs > 0)
        wni_str_addf(s, "<p class=\"scale\" style=\"margin-left:0\">and %s more files</p>\n",
                     wni_grouped(r->more_inputs, number));
    section_end(s);
}

/* A path as a POSIX shell takes it back. */
static void shell_word(wni_str *s, const char *path)
{
    const char *plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-+=:,@%";

    if (*path && *path != '-' && strspn(path, plain) == strlen(path)) {
        wni_str_add(s, path);
        return;
    }
    wni_str_add(s, "&#39;");
    for (const char *c = path; *c; c++)
        if (*c == '\'')
            wni_str_add(s, "&#39;\\&#39;&#39;");
        else
            wni_html_escape(s, c, 1);
    wni_str_add(s, "&#39;");
}

static void replay(wni_str *s, const wni_report *r)
{
    if (r->manifest) {
        section(s, "Run it again", "The arrays come out the same, byte for byte.");
        wni_str_add(s, "<pre><code>winnow replay ");
        shell_word(s, r->manifest);
        wni_str_add(s, " -o again</code></pre>\n");
        section_end(s);
    }
    wni_str_add(s, "<footer>winnow " WN_VERSION "</footer>\n</body></html>\n");
}

wn_status wni_report_html(wn_ctx *ctx, const wni_report *report, char **html)
{
    wni_str s;

    wni_str_init(&s, ctx);
    head(&s, report);
    flow(&s, report);
    warnings(&s, report);
    balance(&s, report);
    duplicates(&s, report);
    levels(&s, report);
    examples(&s, report);
    settings(&s, report);
    inputs(&s, report);
    replay(&s, report);
    return wni_str_take(&s, html);
}
