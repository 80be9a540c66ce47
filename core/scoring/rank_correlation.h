// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <vector>

namespace headscope {

// Pearson's. Of one length; NaN when either has one value only.
double correlation(const std::vector<double>& a, const std::vector<double>& b);

// Spearman's: that of the ranks, ties at their mean rank.
double rank_correlation(const std::vector<double>& a, const std::vector<double>& b);

} // namespace headscope
