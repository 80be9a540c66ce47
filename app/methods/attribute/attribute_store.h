// SPDX-License-Identifier: GPL-3.0-or-later
// What of direct logit attribution goes into a result file.
#pragma once

#include <string>
#include <vector>

#include "core/analysis/direct_logit_attribution.h"
#include "core/store/result_file.h"

namespace headscope::methods {

// FOLDER/heads and its kin; `ids` are the prompts'.
Status store_attribution(store::ResultWriter& writer, const std::string& folder, const std::vector<std::string>& ids,
                         const DirectLogitAttribution& found);

} // namespace headscope::methods
