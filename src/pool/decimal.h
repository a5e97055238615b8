/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers in texts by their exact decimal value, however they are written.
 */
#ifndef WNI_DECIMAL_H
#define WNI_DECIMAL_H

#include <stdint.h>

#define WNI_DECIMAL_BYTES 300

/* Writes the number that the text is into buf, zero-ended, in one form: digits without zeros at either end, and
 * an exponent: 1500 and 1.5e+3 are "15e2", -0 is "0". Returns its length; 0 = not a number as JSON writes them
 * (007, +1, .5, nan), longer than 260 bytes, or an exponent of more than 6 digits. *real (or NULL) gets the
 * nearest double: one number gives one double in any locale, as the form has no decimal point. */
int64_t wni_decimal(const char *text, int64_t bytes, char buf[WNI_DECIMAL_BYTES], double *real);

#endif
