/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of src/methods.def.
 */
#include <string.h>

#include "winnow/method.h"

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

const wn_method *wn_method_find(const char *family, const char *name)
{
    for (int32_t i = 0; methods[i]; i++)
        if (strcmp(methods[i]->family, family) == 0 && strcmp(methods[i]->name, name) == 0)
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
