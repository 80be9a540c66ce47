// SPDX-License-Identifier: GPL-3.0-or-later
// What the parts share: reading with checks, means, maps of heads.
#pragma once

#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "app/result_figures/result_part.h"

namespace headscope::parts {

std::string model_name(const store::ResultReader& reader);
// With commas between those that are not empty.
std::string joined(std::initializer_list<std::string> texts);
// "3 prompts", "1 prompt".
std::string counted(std::int64_t count, const std::string& what);
// Of a unit as files have it: nothing for "1".
std::string shown_units(const std::string& units);

// Layers by heads, or by heads and what else has a column.
figures::HeatmapFigure head_map(std::int64_t n_layers, std::int64_t n_heads, std::vector<float> values);

std::vector<float> floats(std::span<const double> values);
// Over those that are not NaN; NaN where there is none.
double mean(std::span<const double> values);
// Its standard error; 0 of fewer than two.
double standard_error(std::span<const double> values);

// One item for each name in the part's group: "scores-induction"; a name that is the prefix stays as it is ("circuit").
Result<ResultItems> items_by_name(const ResultPart& part, const store::ResultReader& reader, const std::string& prefix);

// Where a method that stands alone stores into the part's group itself and a step of an experiment into a group of its
// name there: the folders that hold `dataset`, and what their files are called after `prefix`.
struct MethodFolder {
  std::string path, name;
};
Result<std::vector<MethodFolder>> method_folders(const ResultPart& part, const store::ResultReader& reader,
                                                 const std::string& dataset, const std::string& prefix);

// An array of so many axes with at least one number: corrupt where it has another number of them, unsupported where it
// is empty or too large to be exported.
Result<store::Array> array_of(const store::ResultReader& reader, const std::string& path, std::size_t axes);
// corrupt, unless the array is of this shape.
Status check_shape(const store::Array& array, const std::vector<std::int64_t>& shape, const std::string& path);
// The label of a place on an axis, or its number.
std::string label_of(const store::Array& array, std::size_t axis, std::int64_t at);
std::vector<std::string> labels_of(const store::Array& array, std::size_t axis);
// The numbers with the first axis at `at`.
std::span<const double> row_of(const store::Array& array, std::int64_t at);
std::vector<double> column_of(const store::Array& array, std::int64_t at); // of two axes

NumberArray numbers(const store::Array& array);
figures::Records records_of(const store::Table& table);
// Adds a column of the means of the rows of [place, prompt], and one for each prompt, under its label.
void add_rows(figures::Records& records, const store::Array& array, const std::string& mean_name);

// Any array or table of a file, whatever it is: a map of two axes, a line of one, else numbers alone.
Result<ResultFigure> any_figure(const store::ResultReader& reader, const ResultItem& item);
// The arrays and tables under a group, but not groups or arrays for which `skip` says yes.
using SkipPath = std::function<bool(const std::string& path)>;
Result<ResultItems> items_under(const ResultPart& part, const store::ResultReader& reader, const std::string& group,
                                const std::string& prefix, const SkipPath& skip);

} // namespace headscope::parts
