/* SPDX-License-Identifier: Apache-2.0
 *
 * The record behind wni_record_*() of pool/run.h.
 */
#ifndef WNI_RECORD_H
#define WNI_RECORD_H

void *wni_record_new(void); /* NULL = no memory */
void wni_record_free(void *record);

#endif
