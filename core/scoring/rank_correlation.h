// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <vector>

namespace headscope {

// Spearman's: the correlation of ranks, ties at their mean rank. Of one length; NaN when either has one value only.
double rank_correlation(const std::vector<double>& a, const std::vector<double>& b);

} // namespace headscope
