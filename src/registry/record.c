/* SPDX-License-Identifier: Apache-2.0
 *
 * What a run counted and warned of, as JSON: {"counts": {...}, "warnings": [...]}.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <jansson.h>

#include "pool/run.h"
#include "registry/record.h"

void *wni_record_new(void)
{
    return json_pack("{s:{}, s:[]}", "counts", "warnings");
}

void wni_record_free(void *record)
{
    json_decref(record);
}

/* Puts `value` (taken over, NULL = no memory) at "a.b.c" below counts. */
static wn_status put(wni_run *run, const char *key, json_t *value)
{
    json_t *at = json_object_get(run->record, "counts");
    const char *dot;
    int bad;

    if (!value) return wni_nomem(run->ctx, strlen(key));
    while ((dot = strchr(key, '.'))) {
        char part[64];
        json_t *child;
        snprintf(part, sizeof part, "%.*s", (int)(dot - key), key);
        child = json_object_get(at, part);
        if (!child) {
            child = json_object();
            if (json_object_set_new(at, part, child)) {
                json_decref(value);
                return wni_nomem(run->ctx, strlen(key));
            }
        }
        at = child;
        key = dot + 1;
    }
    bad = json_object_set_new(at, key, value);
    return bad ? wni_nomem(run->ctx, strlen(key)) : WN_OK;
}

wn_status wni_record_int(wni_run *run, const char *key, int64_t value)
{
    return put(run, key, json_integer(value));
}

wn_status wni_record_real(wni_run *run, const char *key, double value)
{
    return put(run, key, isfinite(value) ? json_real(value) : json_null());
}

wn_status wni_record_text(wni_run *run, const char *key, const char *value)
{
    return put(run, key, json_string(value));
}

/* The object at `key` of `object`, made when it is not there; NULL = no memory. */
static json_t *member_object(json_t *object, const char *key)
{
    json_t *member = json_object_get(object, key);

    if (member) return member;
    return json_object_set_new(object, key, member = json_object()) ? NULL : member;
}

/* Puts `value` (taken over, NULL = no memory) as member `name` of the object `key` of counts. */
static wn_status put_of(wni_run *run, const char *key, const char *name, json_t *value)
{
    json_t *object = value ? member_object(json_object_get(run->record, "counts"), key) : NULL;

    if (!object) {
        json_decref(value);
        return wni_nomem(run->ctx, strlen(key));
    }
    return json_object_set_new(object, name, value) ? wni_nomem(run->ctx, strlen(name)) : WN_OK;
}

wn_status wni_record_int_of(wni_run *run, const char *key, const char *name, int64_t value)
{
    return put_of(run, key, name, json_integer(value));
}

wn_status wni_record_real_of(wni_run *run, const char *key, const char *name, double value)
{
    return put_of(run, key, name, isfinite(value) ? json_real(value) : json_null());
}

/* Column and value are the user's words: they never become keys beside those of winnow. */
wn_status wni_record_change(wni_run *run, const char *key, const char *column, const char *value,
                            int64_t before, int64_t after)
{
    json_t *change = member_object(json_object_get(run->record, "counts"), key), *values;

    if (!change || json_object_set_new(change, "column", json_string(column)) ||
        !(values = member_object(change, "values")) ||
        json_object_set_new(values, value,
                            json_pack("[I, I]", (json_int_t)before, (json_int_t)after)))
        return wni_nomem(run->ctx, 1);
    return WN_OK;
}

wn_status wni_record_warn(wni_run *run, const char *format, ...)
{
    char text[WNI_ERROR_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    wni_log(run->ctx, WN_LOG_WARN, "%s", text);
    if (json_array_append_new(json_object_get(run->record, "warnings"), json_string(text)))
        return wni_nomem(run->ctx, strlen(text));
    return WN_OK;
}
