/* SPDX-License-Identifier: Apache-2.0
 *
 * Quality as data: tests/regression/results.csv holds one number per method, data, parameters and measure. A
 * value that prints otherwise than its row fails the test; UPDATE=1 in the environment rewrites the row, and
 * the difference is reviewed with the change that made it.
 */
#ifndef TS_RESULTS_H
#define TS_RESULTS_H

/* format prints one double ("%.3f"): its digits are the tolerance. No text may hold a comma. */
void ts_result(const char *method, const char *data, const char *params, const char *measure,
               const char *format, double value);

#endif
