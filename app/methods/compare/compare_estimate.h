// SPDX-License-Identifier: GPL-3.0-or-later
// What a comparison would cost.
#pragma once

#include "app/methods/base/method.h"
#include "app/methods/compare/compare_run.h"

namespace headscope::methods {

// Measures two short texts under full attention and extrapolates by length, with a part that grows with its square.
// Mechanisms are taken to cost what full attention does, so what they save is not in it; detectors are left out.
Result<Report> estimate_comparison(const Engine& engine, const CompareTask& task, const Context& context);

} // namespace headscope::methods
