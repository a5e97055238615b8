/* SPDX-License-Identifier: Apache-2.0
 *
 * The context of a run and what is said while it works: one updating line on a terminal, lines at
 * doubling counts elsewhere. And the signals that stop it.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

#define TERMINAL_SEC 0.1 /* between two states of the updating line */
#define LINES_SEC    1   /* before the first line off a terminal, and between two */
#define SILENCE_SEC  60  /* a line is due after this long, whatever the counts */
#define RATE_SEC     0.5 /* a rate means nothing before */

/* ---- signals ---------------------------------------------------------------------------------- */

static volatile sig_atomic_t interrupted;

/* The first signal asks the run to stop; the second is the system's own and kills. */
static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
}

void cli_signals_install(void)
{
    struct sigaction action, old;
    static const int numbers[] = {SIGINT, SIGTERM};

    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART; /* reads and writes go on; the run looks at the flag */
    for (int i = 0; i < 2; i++)
        if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL); /* under nohup an ignored signal stays ignored */
}

bool cli_interrupted(void)
{
    return interrupted != 0;
}

static int cancel(void *user)
{
    (void)user;
    return interrupted != 0;
}

/* ---- progress --------------------------------------------------------------------------------- */

double cli_now_sec(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void cli_progress_init(cli_progress *progress, bool quiet, bool verbose)
{
    const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");

    memset(progress, 0, sizeof *progress);
    progress->quiet = quiet;
    progress->log_level = verbose ? WN_LOG_DEBUG : quiet ? WN_LOG_WARN : WN_LOG_INFO;
    progress->terminal = isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb") != 0;
    progress->last_sec = cli_now_sec();
    progress->colour = progress->terminal && !(no_colour && *no_colour);
}

void cli_progress_clear(cli_progress *progress)
{
    if (!progress->line_open) return;
    fputs("\r\033[K", stderr);
    progress->line_open = false;
}

void cli_progress_log(void *user, wn_log_level level, const char *text)
{
    cli_progress *progress = user;

    if (level > progress->log_level) return;
    cli_progress_clear(progress);
    fprintf(stderr, "winnow: %s%s\n", level == WN_LOG_WARN ? "warning: " : "", text);
}

/* "1.24M/s" */
static const char *rate_text(double per_sec, char buf[32])
{
    static const char *const unit[] = {"", "K", "M", "G", "T"};
    int u = 0;

    for (; per_sec >= 999.5 && u < 4; u++)
        per_sec /= 1000;
    snprintf(buf, 32, "%.3g%s/s", per_sec, unit[u]);
    return buf;
}

static void print_state(cli_progress *progress, int64_t done, int64_t total, double now)
{
    double elapsed = now - progress->stage_began_sec;
    double rate = elapsed >= RATE_SEC && done > 0 ? (double)done / elapsed : 0;
    const char *on = progress->colour ? "\033[1m" : "", *off = progress->colour ? "\033[0m" : "";
    char a[32], b[32];

    if (progress->terminal) {
        fprintf(stderr, "\r\033[K%s%s%s", on, progress->stage, off);
        progress->line_open = true;
    } else {
        fprintf(stderr, "%s  %s", progress->stage, cli_count_text(done, a));
        if (total > 0) fprintf(stderr, " of %s", cli_count_text(total, b));
    }
    if (total > 0) fprintf(stderr, "  %d%%", (int)(100.0 * (double)done / (double)total));
    if (progress->terminal && total <= 0) fprintf(stderr, "  %s", cli_count_text(done, a));
    if (rate > 0) fprintf(stderr, "  %s", rate_text(rate, a));
    if (rate > 0 && total > done) {
        double left = (double)(total - done) / rate;
        if (left < 60)
            fprintf(stderr, "  %d s left", (int)(left + 1));
        else
            fprintf(stderr, "  %s left", cli_seconds_text(left, a));
    }
    if (!progress->terminal) fputc('\n', stderr);
}

void cli_progress_update(void *user, const char *stage, int64_t done, int64_t total)
{
    cli_progress *progress = user;
    double now;

    if (progress->quiet) return;
    now = cli_now_sec();
    if (strncmp(progress->stage, stage, sizeof progress->stage - 1) != 0 ||
        done < progress->last_done) { /* a stage may come again */
        snprintf(progress->stage, sizeof progress->stage, "%s", stage);
        progress->stage_began_sec = now;
        progress->next = 1;
    }
    progress->last_done = done;
    if (progress->terminal) {
        if (progress->line_open && now - progress->last_sec < TERMINAL_SEC && done < total) return;
    } else {
        bool due = done >= progress->next || now - progress->last_sec >= SILENCE_SEC;
        if (!due || now - progress->last_sec < LINES_SEC) return;
        while (progress->next <= done)
            progress->next *= 2;
    }
    progress->last_sec = now;
    print_state(progress, done, total, now);
}

/* ---- context ---------------------------------------------------------------------------------- */

/* wn_ctx_new can only say "usage"; the one reason it can have, after our own checks, is WN_ISA. */
static int explain_no_ctx(wn_status status)
{
    const char *isa = getenv("WN_ISA");

    if (status == WN_E_USAGE && isa && *isa) {
        char names[128] = "";
        for (int i = 0; i < WN_ISA_COUNT && wn_isa_name((wn_isa)i)[0] != '?'; i++) {
            size_t length = strlen(names);
            snprintf(names + length, sizeof names - length, "%s%s", i ? ", " : "",
                     wn_isa_name((wn_isa)i));
        }
        cli_error("WN_ISA in the environment: found '%s', expected one of %s", isa, names);
        return CLI_USAGE;
    }
    cli_error("no context: %s", status == WN_E_NOMEM ? "out of memory" : wn_status_name(status));
    return CLI_FAILED;
}

int cli_ctx_new(const cli_args *args, cli_progress *progress, wn_ctx **ctx)
{
    wn_ctx_options options;
    wn_status status;

    cli_progress_init(progress, args->quiet, args->verbose);
    if (args->verb == CLI_INFO && !args->verbose)
        progress->log_level = WN_LOG_WARN; /* it prints the files itself */
    wn_ctx_options_init(&options);
    options.threads = args->threads;
    options.memory_bytes = args->memory_bytes;
    options.no_filter = args->no_filter;
    options.user = progress;
    options.log = cli_progress_log;
    options.progress = cli_progress_update;
    options.cancel = cancel;
    status = wn_ctx_new(&options, ctx);
    if (status != WN_OK) return explain_no_ctx(status);
    if (args->memory_bytes && wn_ctx_memory_bytes(*ctx) > args->memory_bytes) {
        char found[32], count[32], least[32];
        cli_error(
            "--memory: found %s (%s bytes), expected at least %s; 64MiB is that, 64M a little "
            "less",
            cli_bytes_text((double)args->memory_bytes, found),
            cli_count_text(args->memory_bytes, count),
            cli_bytes_text((double)wn_ctx_memory_bytes(*ctx), least));
        wn_ctx_free(*ctx);
        *ctx = NULL;
        return CLI_USAGE;
    }
    return CLI_OK;
}

int cli_fail(cli_progress *progress, wn_ctx *ctx, wn_status status)
{
    cli_progress_clear(progress);
    if (status == WN_E_CANCELLED) {
        cli_error("interrupted; nothing was written");
        return CLI_INTERRUPTED;
    }
    cli_error("%s", wn_ctx_error(ctx));
    switch (status) {
    case WN_OK:
        return CLI_OK;
    case WN_E_USAGE:
        return CLI_USAGE;
    case WN_E_DATA:
        return CLI_DATA;
    default:
        return CLI_FAILED;
    }
}
