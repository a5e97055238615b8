/* SPDX-License-Identifier: Apache-2.0
 *
 * .safetensors: u64 length of a JSON header, the header, then the data; offsets count from there.
 */
#include <string.h>
#include <jansson.h>

#include "io/vecfile.h"

#define HEADER_MAX   100000000 /* the format's own limit */
#define HEADER_SMALL (1 << 20)

static const struct {
    const char *name;
    int32_t dtype;
} types[] = {{"F32", WN_F32}, {"F16", WN_F16}, {"BF16", WN_BF16}, {"F64", WN_F64},
             {"I8", WN_I8},   {"U8", WN_U8},   {"I32", WN_I32}};

static int32_t type_of(const json_t *tensor)
{
    const char *name = json_string_value(json_object_get(tensor, "dtype"));

    for (size_t i = 0; name && i < sizeof types / sizeof types[0]; i++)
        if (strcmp(name, types[i].name) == 0) return types[i].dtype;
    return -1;
}

static bool is_matrix(const json_t *tensor)
{
    return json_array_size(json_object_get(tensor, "shape")) == 2;
}

static wn_status parse(wn_ctx *ctx, const wni_infile *file, const char *label, json_t **root,
                       int64_t *data_at)
{
    unsigned char head[8];
    json_error_t error;
    char *text = NULL;
    uint64_t length;
    wn_status st;

    if (file->bytes < 8)
        return wni_fail(ctx, WN_E_DATA,
                        "%s: found %lld bytes, too few for .safetensors; the file "
                        "is truncated",
                        label, (long long)file->bytes);
    WNI_TRY(wni_infile_read(ctx, file, 0, 8, head));
    length = wni_le64(head);
    if (length > (uint64_t)(file->bytes - 8)) {
        st = wni_fail(ctx, WN_E_DATA,
                      "%s: the .safetensors header says it has %llu bytes, the file has room for "
                      "%lld; it is truncated or of another format",
                      label, (unsigned long long)length, (long long)(file->bytes - 8));
        goto done;
    }
    if (length > HEADER_MAX) {
        st = wni_fail(ctx, WN_E_DATA,
                      "%s: the .safetensors header says it has %llu bytes, the format allows %d",
                      label, (unsigned long long)length, HEADER_MAX);
        goto done;
    }
    if (length > HEADER_SMALL)
        WNI_TRY(wni_budget_need(ctx, (int64_t)length, "the header of a .safetensors file"));
    WNI_NEW(ctx, text, (int64_t)length);
    WNI_TRY(wni_infile_read(ctx, file, 8, (int64_t)length, text));
    *root = json_loadb(text, (size_t)length, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(*root)) {
        st = wni_fail(ctx, WN_E_DATA,
                      "%s: the .safetensors header is not a JSON object (%s at byte %d); the file "
                      "is damaged",
                      label, *root ? "found another value" : error.text,
                      *root ? 8 : error.position + 8);
        goto done;
    }
    *data_at = 8 + (int64_t)length;
done:
    wni_free(ctx, text);
    return st;
}

/* The tensor asked for, or the only matrix of a type that winnow reads. */
static wn_status choose(wn_ctx *ctx, const char *label, json_t *root, const char *member,
                        const char **name, const json_t **tensor)
{
    char names[256] = "";
    size_t used = 0;
    int fits = 0;
    const char *key;
    json_t *value;

    *tensor = NULL;
    json_object_foreach(root, key, value)
    {
        if (strcmp(key, "__metadata__") == 0) continue;
        if (member ? strcmp(key, member) == 0 : is_matrix(value) && type_of(value) >= 0) {
            *name = key;
            *tensor = value;
            fits++;
        }
        if (used + strlen(key) + 2 < sizeof names) {
            if (used) names[used++] = ' ';
            memcpy(names + used, key, strlen(key) + 1);
            used += strlen(key);
        }
    }
    if (fits == 1) return WN_OK;
    if (member)
        return wni_fail(ctx, WN_E_DATA, "%s: found no tensor '%s'; there are: %s", label, member,
                        names);
    return wni_fail(ctx, WN_E_DATA,
                    "%s: found %d two-dimensional tensors, expected one; name the one to read, "
                    "FILE:NAME, from: %s",
                    label, fits, names);
}

/* A whole number of the header, not negative; -1 when it is something else. */
static int64_t number(const json_t *array, size_t i)
{
    const json_t *value = json_array_get(array, i);

    return json_is_integer(value) && json_integer_value(value) >= 0
               ? (int64_t)json_integer_value(value)
               : -1;
}

wn_status wni_read_safetensors(wn_ctx *ctx, const wni_infile *file, const wni_vecfile_want *want,
                               char **label, wni_layout *out)
{
    const json_t *tensor, *shape, *offsets;
    json_t *root = NULL;
    int64_t data_at = 0, begin, end, bytes;
    const char *name = "", *type;
    wn_status st;

    out->format = ".safetensors";
    WNI_TRY(parse(ctx, file, *label, &root, &data_at));
    WNI_TRY(choose(ctx, *label, root, want->member, &name, &tensor));
    WNI_TRY(wni_member_label(ctx, file, name, strlen(name), label));
    shape = json_object_get(tensor, "shape");
    offsets = json_object_get(tensor, "data_offsets");
    type = json_string_value(json_object_get(tensor, "dtype"));
    out->dtype = type_of(tensor);
    if (out->dtype < 0) {
        st = wni_fail(ctx, WN_E_DATA,
                      "%s: found element type %s, expected one of F32 F16 BF16 F64 I8 U8 I32; "
                      "convert the tensor",
                      *label, type ? type : "none");
        goto done;
    }
    if (!is_matrix(tensor)) {
        st = wni_fail(ctx, WN_E_DATA, "%s: found %zu dimensions, expected 2 (rows, columns)",
                      *label, json_array_size(shape));
        goto done;
    }
    out->n = number(shape, 0);
    out->d = number(shape, 1);
    begin = number(offsets, 0);
    end = number(offsets, 1);
    if (out->n < 0 || out->d < 0 || json_array_size(offsets) != 2 || begin < 0 || end < begin ||
        end > file->bytes - data_at) {
        st =
            wni_fail(ctx, WN_E_DATA,
                     "%s: the header places the tensor at bytes %lld to %lld of its data, the file "
                     "has %lld; it is truncated or damaged",
                     *label, (long long)begin, (long long)end, (long long)(file->bytes - data_at));
        goto done;
    }
    if (__builtin_mul_overflow(out->n, out->d, &bytes) ||
        __builtin_mul_overflow(bytes, (int64_t)wn_dtype_bytes((wn_dtype)out->dtype), &bytes) ||
        bytes != end - begin) {
        st = wni_fail(ctx, WN_E_DATA,
                      "%s: shape (%lld, %lld) of %s does not take the %lld bytes that the header "
                      "gives it; the file is damaged",
                      *label, (long long)out->n, (long long)out->d,
                      wn_dtype_name((wn_dtype)out->dtype), (long long)(end - begin));
        goto done;
    }
    out->offset = data_at + begin;
    out->end = data_at + end;
    out->col_stride = (int64_t)wn_dtype_bytes((wn_dtype)out->dtype);
    out->row_stride = out->d <= WN_DIM_MAX ? out->d * out->col_stride : 0;
    out->swap = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ && out->col_stride > 1;
done:
    json_decref(root);
    return st;
}
