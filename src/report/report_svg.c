/* SPDX-License-Identifier: Apache-2.0
 *
 * The drawings. A drawing stretches with the page while its words must not, so the shapes are SVG on a
 * 100 x 100 field without a fixed aspect and the words are HTML laid over it at percentages.
 */
#include <math.h>
#include <stdio.h>

#include "base/fixmath.h"
#include "report/report.h"

#define FIELD "<svg viewBox=\"0 0 100 100\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"

const char *wni_percent(double share, char *buf)
{
    double p = 100 * share;

    if (p > 0 && p < 0.01)
        snprintf(buf, 32, "&lt;0.01%%");
    else
        snprintf(buf, 32, "%.*f%%", p > 0 && p < 1 ? 2 : 1, p);
    return buf;
}

/* ---- funnel -------------------------------------------------------------------------------- */

void wni_svg_funnel(wni_str *s, const wni_report_stage *stages, int32_t n)
{
    int64_t most = 1;
    char number[32], percent[32];

    for (int32_t i = 0; i < n; i++)
        most = wni_max(most, stages[i].rows);
    wni_str_add(s, "<div class=\"funnel\">\n");
    for (int32_t i = 0; i < n; i++) {
        double here = 100 * wni_share(stages[i].rows, most);
        int64_t lost = i ? stages[i - 1].rows - stages[i].rows : 0;

        if (i) {
            double before = 100 * wni_share(stages[i - 1].rows, most);
            wni_str_addf(s,
                         "<div class=\"step\"><span></span>" FIELD
                         "<polygon class=\"flow\" points=\"0,0 %.3f,0 %.3f,100 0,100\"/>"
                         "<polygon class=\"gone\" points=\"%.3f,0 %.3f,0 %.3f,100\"/></svg>",
                         before, here, here, before, here);
            if (lost > 0) {
                wni_str_addf(s, "<span class=\"lost\"><b>&minus;%s</b> ",
                             wni_grouped(lost, number));
                wni_html_escape(s, stages[i].lost ? stages[i].lost : "", -1);
                wni_str_add(s, "</span>");
            } else {
                wni_str_add(s, "<span class=\"lost none\">no ");
                wni_html_escape(s, stages[i].lost ? stages[i].lost : "", -1);
                wni_str_add(s, "</span>");
            }
            wni_str_add(s, "</div>\n");
        }
        wni_str_addf(s, "<div class=\"stage%s\"><span class=\"name\">", i == n - 1 ? " last" : "");
        wni_html_escape(s, stages[i].name, -1);
        wni_str_addf(s,
                     "</span>" FIELD "<rect class=\"bar\" width=\"%.3f\" height=\"100\"/></svg>"
                     "<span class=\"num\">%s</span><span class=\"pct\">%s</span></div>\n",
                     here, wni_grouped(stages[i].rows, number),
                     wni_percent(wni_share(stages[i].rows, stages[0].rows), percent));
    }
    wni_str_add(s, "</div>\n");
}

/* ---- axes ------------------------------------------------------------------------------------ */

/* A step of 1, 2 or 5 times a power of ten that cuts [0, top] into at most five. */
static double nice_step(double top)
{
    double step = 1;

    while (top / step > 5)
        step *= 10;
    if (top / (step / 5) <= 5 && step / 5 >= 1) return step / 5;
    if (top / (step / 2) <= 5 && step / 2 >= 1) return step / 2;
    return step;
}

/* Grid lines and their numbers for a linear axis from 0 to `top`; call inside and after the SVG. */
static void grid_lines(wni_str *s, double top)
{
    double step = nice_step(top);

    for (double y = step; y <= top * 1.0001; y += step)
        wni_str_addf(s, "<line class=\"grid\" x1=\"0\" x2=\"100\" y1=\"%.3f\" y2=\"%.3f\"/>",
                     100 - 100 * y / top, 100 - 100 * y / top);
}

static void grid_numbers(wni_str *s, double top)
{
    double step = nice_step(top);
    char number[32];

    for (double y = step; y <= top * 1.0001; y += step)
        wni_str_addf(s, "<span class=\"y\" style=\"bottom:%.2f%%\">%s</span>", 100 * y / top,
                     wni_grouped((int64_t)(y + 0.5), number));
}

/* ---- histogram --------------------------------------------------------------------------------- */

void wni_svg_histogram(wni_str *s, const int64_t *counts, int32_t bins, double low)
{
    int64_t most = 1;
    double width = 100.0 / bins, gap = width * 0.12, top, fine = (1 - low) / 4 * 1000;
    int digits = fabs(fine - floor(fine + 0.5)) < 1e-6 ? 3 : 4;

    for (int32_t i = 0; i < bins; i++)
        most = wni_max(most, counts[i]);
    top = (double)most * 1.05;
    wni_str_add(s, "<figure><div class=\"plot short\">" FIELD);
    grid_lines(s, top);
    for (int32_t i = 0; i < bins; i++)
        if (counts[i] > 0) {
            /* A lone row must still be seen beside thousands. */
            double h = fmax(100 * (double)counts[i] / top, 0.8);
            wni_str_addf(s,
                         "<rect class=\"drop\" x=\"%.3f\" y=\"%.3f\" width=\"%.3f\" "
                         "height=\"%.3f\"/>",
                         i * width + gap / 2, 100 - h, width - gap, h);
        }
    wni_str_add(s, "<line class=\"axis\" x1=\"0\" x2=\"100\" y1=\"100\" y2=\"100\"/></svg>");
    grid_numbers(s, top);
    wni_str_add(s, "</div><div class=\"xaxis\">");
    for (int t = 0; t <= 4; t++)
        wni_str_addf(s, "<span>%.*f</span>", digits, low + (1 - low) * t / 4);
    wni_str_add(s, "</div><figcaption>Cosine to the row that stands for it, from the threshold "
                   "(left) to the same direction (right). Height: dropped rows.</figcaption>"
                   "</figure>\n");
}

/* ---- cluster sizes ------------------------------------------------------------------------------- */

/* Height of v in [0, 100]; the log axis starts at one half so that a cluster of one row has a height. */
static double height(double v, double top, int is_log)
{
    if (!is_log) return 100 * v / top;
    return v <= 0.5 ? 0 : 100 * wni_log_fixed(2 * v) / wni_log_fixed(2 * top);
}

static void step_area(wni_str *s, const char *class, const double *v, int32_t n, double top,
                      int is_log)
{
    wni_str_addf(s, "<path class=\"%s\" d=\"M0,100", class);
    for (int32_t i = 0; i < n; i++)
        wni_str_addf(s, "V%.2fH%.3f", 100 - height(v[i], top, is_log), 100.0 * (i + 1) / n);
    wni_str_add(s, "V100Z\"/>");
}

void wni_svg_sizes(wni_str *s, const wni_report_level *level)
{
    double top = 1, most_after = 1;
    int is_log;
    char number[32];

    for (int32_t i = 0; i < level->n; i++) {
        top = fmax(top, fmax(level->before[i], level->after[i]));
        most_after = fmax(most_after, level->after[i]);
    }
    /* Where the largest cluster dwarfs the usual one, or few rows are taken, a linear axis would show
     * one spike over a hairline. */
    is_log = (level->median > 0 && level->largest > 12 * level->median) || top > 6 * most_after;
    top *= is_log ? 1.2 : 1.05;
    wni_str_add(s, "<div class=\"plot\">" FIELD);
    if (is_log)
        for (double y = 1; y <= top; y *= 10)
            wni_str_addf(s, "<line class=\"grid\" x1=\"0\" x2=\"100\" y1=\"%.3f\" y2=\"%.3f\"/>",
                         100 - height(y, top, 1), 100 - height(y, top, 1));
    else
        grid_lines(s, top);
    step_area(s, "before", level->before, level->n, top, is_log);
    step_area(s, "after", level->after, level->n, top, is_log);
    wni_str_add(s, "<line class=\"axis\" x1=\"0\" x2=\"100\" y1=\"100\" y2=\"100\"/></svg>");
    if (is_log)
        for (double y = 1; y <= top; y *= 10)
            wni_str_addf(s, "<span class=\"y\" style=\"bottom:%.2f%%\">%s</span>",
                         height(y, top, 1), wni_grouped((int64_t)(y + 0.5), number));
    else
        grid_numbers(s, top);
    wni_str_addf(s,
                 "</div><div class=\"xaxis\"><span>largest cluster</span><span>smallest</span>"
                 "</div><p class=\"scale\">%s</p>\n",
                 is_log ? "Rows per cluster, logarithmic" : "Rows per cluster");
}

/* ---- bars ------------------------------------------------------------------------------------ */

void wni_svg_twin_bars(wni_str *s, double before, double after, double widest)
{
    if (widest <= 0) widest = 1;
    wni_str_addf(s,
                 "<svg class=\"twin\" viewBox=\"0 0 100 100\" preserveAspectRatio=\"none\" "
                 "aria-hidden=\"true\"><rect class=\"before\" width=\"%.2f\" height=\"44\"/>"
                 "<rect class=\"after\" y=\"56\" width=\"%.2f\" height=\"44\"/></svg>",
                 100 * before / widest, 100 * after / widest);
}
