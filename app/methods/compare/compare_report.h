// SPDX-License-Identifier: GPL-3.0-or-later
// A comparison for people, for programs and for a result file.
#pragma once

#include "app/methods/base/method.h"
#include "app/methods/compare/compare_run.h"
#include "core/store/result_file.h"

namespace headscope::methods {

Report comparison_report(const Comparison& comparison);
// Stores /comparison.
Status store_comparison(store::ResultWriter& writer, const Comparison& comparison);

} // namespace headscope::methods
