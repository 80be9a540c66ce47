// SPDX-License-Identifier: GPL-3.0-or-later
// Stores direct logit attribution in a result file.
#pragma once

#include <string>
#include <vector>

#include "core/analysis/direct_logit_attribution.h"
#include "core/store/result_file.h"

namespace headscope::methods {

// Stores FOLDER/heads and the other arrays; `ids` are the prompts'.
Status store_attribution(store::ResultWriter& writer, const std::string& folder, const std::vector<std::string>& ids,
                         const DirectLogitAttribution& found);

} // namespace headscope::methods
