/* SPDX-License-Identifier: Apache-2.0
 *
 * All of winnow. Include this one.
 */
#ifndef WINNOW_WINNOW_H
#define WINNOW_WINNOW_H

#include "winnow/base.h"
#include "winnow/ctx.h"
#include "winnow/method.h"
#include "winnow/pool.h"
#include "winnow/table.h"
#include "winnow/batch.h"
#include "winnow/bench.h"
#include "winnow/cluster.h"
#include "winnow/curate.h"
#include "winnow/dedup.h"
#include "winnow/folder.h"
#include "winnow/graph.h"
#include "winnow/index.h"
#include "winnow/labels.h"
#include "winnow/learn.h"
#include "winnow/measure.h"
#include "winnow/score.h"
#include "winnow/search.h"
#include "winnow/select.h"
#include "winnow/vectorize.h"
#include "winnow/job.h"

#endif
