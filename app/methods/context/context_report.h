// SPDX-License-Identifier: GPL-3.0-or-later
// Texts read under context managers, for people, for programs and for a result file.
#pragma once

#include "app/methods/base/method.h"
#include "app/methods/context/context_run.h"
#include "core/store/result_file.h"

namespace headscope::methods {

// All context managers with their options.
Report list_of_managers();
Report context_report(const ManagedTexts& texts);
// Stores /contexts.
Status store_contexts(store::ResultWriter& writer, const ManagedTexts& texts);

} // namespace headscope::methods
