// SPDX-License-Identifier: GPL-3.0-or-later
// A part of result files that can be drawn or written as numbers. Each is one file of parts/ and one line of
// part_list.cpp: the words of `--what`, the list of what there is, and the figures are made from these.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "app/figures/figure.h"
#include "app/figures/table.h"
#include "core/base/result.h"
#include "core/store/result_file.h"

namespace headscope {

struct NumberArray {
  std::vector<std::int64_t> shape;
  std::vector<float> values; // row-major
};

struct ResultFigure {
  std::string name;                      // for a file: "attention-18.6", "scores-induction"
  std::optional<figures::Figure> figure; // none: it is numbers and texts alone
  // The figure's numbers; none: the figure is a map, whose rows and columns are used.
  std::variant<std::monostate, figures::Table, figures::Records> table = {};
  std::optional<NumberArray> array = {}; // as NPY, where that is not the table
};

struct ResultPart;

// One thing that can be drawn; listing it is cheap.
struct ResultItem {
  const ResultPart* part = nullptr;
  std::string path; // what it is read from, as its part knows it: a name in the part's group, or a path in the file
  std::size_t index = 0; // attention: the head's place in the file; lens: the token's
  std::string name;      // for a file
};
using ResultItems = std::vector<ResultItem>;

struct ResultPart {
  const char* name;  // "attention"
  const char* what;  // "attention maps"
  const char* group; // of the file, which holds it: "/attention"; "": what no other part holds
  // Lists what a file has of this part; an empty list is not an error.
  Result<ResultItems> (*list)(const ResultPart& self, const store::ResultReader& reader);
  Result<ResultFigure> (*figure)(const store::ResultReader& reader, const ResultItem& item);
  // Makes the numbers with one row per value; null: figures::to_records() is used for a map, and other numbers are
  // written as they are.
  Result<figures::Records> (*long_table)(const store::ResultReader& reader, const ResultItem& item) = nullptr;
  // Puts several items of the part on one page; null: there is no such page.
  Result<ResultFigure> (*sheet)(const store::ResultReader& reader, std::span<const ResultItem> items) = nullptr;
};

// All parts, in the order in which they are exported.
std::span<const ResultPart> result_parts();
// Finds the part of that name, or null.
const ResultPart* find_result_part(const std::string& name);

} // namespace headscope
