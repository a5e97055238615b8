/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WNI_SELECT_NOTES_H
#define WNI_SELECT_NOTES_H

#include "base/ctx_impl.h"
#include "winnow/select.h"

/* Adds a number to what the selection says of itself. key: words of ours, dots make nested objects; name: the
 * user's word that it is about (a source, a class), or NULL. */
wn_status wni_note(wn_selection *s, const char *key, const char *name, double value, int whole);

#endif
