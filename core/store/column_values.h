// SPDX-License-Identifier: GPL-3.0-or-later
// Makes columns of a table from a list of rows, so that values of a row stay together until they are written.
#pragma once

#include <functional>
#include <type_traits>
#include <vector>

namespace headscope::store {

// Collects one value per row: `of` is a member of the row or a function of it, whose type is the column's
// (std::int64_t, double or std::string).
template <typename Row, typename Of> auto column_values(const std::vector<Row>& rows, Of of) {
  std::vector<std::decay_t<std::invoke_result_t<Of, const Row&>>> values;
  values.reserve(rows.size());
  for (const Row& row : rows)
    values.push_back(std::invoke(of, row));
  return values;
}

} // namespace headscope::store
