/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of src/methods.def.
 */
#include <stdio.h>
#include <string.h>

#include "registry/job_impl.h"

#define WN_FAMILY(name)         extern const wn_family wni_family_##name;
#define WN_METHOD(family, name) extern const wn_method wni_method_##family##_##name;
#include "methods.def"
#undef WN_FAMILY
#undef WN_METHOD

#define WN_FAMILY(name) &wni_family_##name,
#define WN_METHOD(family, name)
static const wn_family *const families[] = {
#include "methods.def"
    NULL};
#undef WN_FAMILY
#undef WN_METHOD

#define WN_FAMILY(name)
#define WN_METHOD(family, name) &wni_method_##family##_##name,
static const wn_method *const methods[] = {
#include "methods.def"
    NULL};
#undef WN_FAMILY
#undef WN_METHOD

int32_t wn_method_count(void)
{
    return (int32_t)(sizeof methods / sizeof methods[0]) - 1;
}

const wn_method *wn_method_at(int32_t i)
{
    return i >= 0 && i < wn_method_count() ? methods[i] : NULL;
}

/* Dashes and underscores are the same. */
static int same_name(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if ((*a == '-' ? '_' : *a) != (*b == '-' ? '_' : *b)) return 0;
    return *a == *b;
}

const wn_method *wn_method_find(const char *family, const char *name)
{
    for (int32_t i = 0; methods[i]; i++)
        if (strcmp(methods[i]->family, family) == 0 && same_name(methods[i]->name, name))
            return methods[i];
    return NULL;
}

int32_t wn_family_count(void)
{
    return (int32_t)(sizeof families / sizeof families[0]) - 1;
}

const wn_family *wn_family_at(int32_t i)
{
    return i >= 0 && i < wn_family_count() ? families[i] : NULL;
}

const wn_family *wn_family_find(const char *name)
{
    for (int32_t i = 0; families[i]; i++)
        if (strcmp(families[i]->name, name) == 0) return families[i];
    return NULL;
}

/* ---- what a method reads ---------------------------------------------------------------------------- */

static int same_word(const char *word, size_t length, const char *name)
{
    return strlen(name) == length && strncmp(word, name, length) == 0;
}

/* The positional input goes by the kinds in which it may come. */
static int names_input(const char *word, size_t length, const wn_family_input *input)
{
    if (strcmp(input->name, "pool") == 0)
        return same_word(word, length, "pool") || same_word(word, length, "text") ||
               same_word(word, length, "files");
    return same_word(word, length, input->name);
}

const char *wni_method_token(const wn_method *method, const wn_family_input *input, size_t *length)
{
    for (const char *at = method->inputs; *at; at += strspn(at, " ")) {
        size_t token = strcspn(at, " ");
        for (size_t i = *at == '@'; i < token;) {
            size_t word = strcspn(at + i, "|? ");
            if (names_input(at + i, word, input)) {
                *length = token;
                return at;
            }
            i += word + 1;
        }
        at += token;
    }
    return NULL;
}

wn_takes wn_method_takes(const wn_method *method, const wn_family_input *input)
{
    size_t length;
    const char *token;

    if (!method->inputs) return input->required ? WN_TAKES_REQUIRED : WN_TAKES_OPTIONAL;
    token = wni_method_token(method, input, &length);
    if (!token) return WN_TAKES_NOT;
    if (token[length - 1] == '?') return WN_TAKES_OPTIONAL;
    /* "pool|text" is one input in two kinds; "tree|groups" are two inputs. */
    if (strcmp(input->name, "pool") != 0 && memchr(token, '|', length)) return WN_TAKES_ONE_OF;
    return WN_TAKES_REQUIRED;
}

const char *wn_method_kind(const wn_method *method, const wn_family_input *input, char *buf,
                           size_t bytes)
{
    size_t length;
    const char *token = NULL;

    if (method->inputs && strcmp(input->name, "pool") == 0)
        token = wni_method_token(method, input, &length);
    if (token)
        snprintf(buf, bytes, "%.*s", (int)(length - (token[length - 1] == '?')), token);
    else
        snprintf(buf, bytes, "%s", input->kind);
    return buf;
}

const wn_family_input *wn_method_positional(const wn_method *method, int32_t i)
{
    const wn_family *family = wn_family_find(method->family);
    const wn_family_input *pool = NULL;

    for (const char *at = method->inputs ? method->inputs : ""; *at; at += strspn(at, " ")) {
        for (int32_t j = 0; *at == '@' && j < family->n_inputs; j++)
            if (names_input(at + 1, strcspn(at + 1, " ?"), &family->inputs[j]) && i-- == 0)
                return &family->inputs[j];
        at += strcspn(at, " ");
    }
    for (int32_t j = 0; j < family->n_inputs; j++)
        if (strcmp(family->inputs[j].name, "pool") == 0) pool = &family->inputs[j];
    return pool && wn_method_takes(method, pool) != WN_TAKES_NOT ? pool : NULL;
}
