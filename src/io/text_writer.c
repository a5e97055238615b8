/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/strbuf.h"
#include "io/memfolder.h"
#include "io/outdir.h"

struct wni_text_writer {
    wn_ctx *ctx;
    const char *path;
    FILE *f;
    wn_folder *folder; /* of an output in memory, which has no file; else NULL */
    wni_str text;
};

static wn_status write_fail(const wni_text_writer *w)
{
    return wni_fail(w->ctx, WN_E_IO, "%s: cannot write: %s", w->path, strerror(errno));
}

wn_status wni_text_writer_new(wni_out *out, const char *name, wni_text_writer **writer)
{
    wni_text_writer *w = NULL;
    wn_ctx *ctx = wni_out_ctx(out);
    wn_status st = WN_OK;

    *writer = NULL;
    WNI_NEW0(ctx, w, 1);
    w->ctx = ctx;
    if ((w->folder = wni_out_folder(out))) {
        wni_str_init(&w->text, ctx);
        if (!(w->path = wni_strdup(ctx, name))) {
            st = WN_E_NOMEM;
            goto done;
        }
        *writer = w;
        return WN_OK;
    }
    WNI_TRY(wni_out_path(out, name, &w->path));
    if (!(w->f = fopen(w->path, "wb"))) {
        st = write_fail(w);
        goto done;
    }
    *writer = w;
    w = NULL;
done:
    wni_free(ctx, w);
    return st;
}

wn_status wni_text_writer_add(wni_text_writer *w, const char *text, int64_t bytes)
{
    if (w->folder) {
        wni_str_addn(&w->text, text, bytes);
        return w->text.st;
    }
    if (bytes && fwrite(text, 1, (size_t)bytes, w->f) != (size_t)bytes) return write_fail(w);
    return WN_OK;
}

wn_status wni_text_writer_end(wni_text_writer *w, int keep)
{
    wn_status st = WN_OK;

    if (!w) return WN_OK;
    if (w->folder) {
        int64_t bytes = w->text.length;
        char *text = NULL;
        if (keep && (st = wni_str_take(&w->text, &text)) == WN_OK)
            st = wni_memfolder_give(w->folder, w->path, NULL, 0, NULL, text, bytes);
        wni_str_free(&w->text);
        wni_free(w->ctx, (void *)(uintptr_t)w->path);
        wni_free(w->ctx, w);
        return st;
    }
    if (fclose(w->f) && keep) st = write_fail(w);
    wni_free(w->ctx, w);
    return st;
}
