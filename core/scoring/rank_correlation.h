// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <vector>

namespace headscope {

// Pearson's correlation of two lists of one length; NaN when either is constant.
double correlation(const std::vector<double>& a, const std::vector<double>& b);

// Spearman's correlation: Pearson's on ranks, with ties at their mean rank.
double rank_correlation(const std::vector<double>& a, const std::vector<double>& b);

} // namespace headscope
