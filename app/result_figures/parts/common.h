// SPDX-License-Identifier: GPL-3.0-or-later
// Functions that the parts share: reading with checks, means, maps of heads.
#pragma once

#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "app/result_figures/result_part.h"

namespace headscope::parts {

std::string model_name(const store::ResultReader& reader);
// Joins texts that are not empty with commas.
std::string joined(std::initializer_list<std::string> texts);
// Counts in words: "3 prompts", "1 prompt".
std::string counted(std::int64_t count, const std::string& what);
// A unit as shown: that of the file, but nothing for "1".
std::string shown_units(const std::string& units);

// A map of layers by heads, or by heads and further columns.
figures::HeatmapFigure head_map(std::int64_t n_layers, std::int64_t n_heads, std::vector<float> values);

std::vector<float> floats(std::span<const double> values);
// The mean of values that are not NaN; NaN where there are none.
double mean(std::span<const double> values);
// The mean's standard error; 0 for fewer than two values.
double standard_error(std::span<const double> values);

// Makes one item for each name in the part's group: "scores-induction"; a name equal to the prefix stays as it is
// ("circuit").
Result<ResultItems> items_by_name(const ResultPart& part, const store::ResultReader& reader, const std::string& prefix);

// A method run alone stores into the part's group itself, a step of an experiment into a group of its name there. Finds
// the folders that hold `dataset`, and the names of their files after `prefix`.
struct MethodFolder {
  std::string path, name;
};
Result<std::vector<MethodFolder>> method_folders(const ResultPart& part, const store::ResultReader& reader,
                                                 const std::string& dataset, const std::string& prefix);

// Reads an array of `axes` axes. Returns corrupt where it has another number of axes, unsupported where it is empty or
// too large to be exported.
Result<store::Array> array_of(const store::ResultReader& reader, const std::string& path, std::size_t axes);
// Returns corrupt unless the array has this shape.
Status check_shape(const store::Array& array, const std::vector<std::int64_t>& shape, const std::string& path);
// The label of an index on an axis, or its number.
std::string label_of(const store::Array& array, std::size_t axis, std::int64_t at);
std::vector<std::string> labels_of(const store::Array& array, std::size_t axis);
// The numbers with the first axis at `at`.
std::span<const double> row_of(const store::Array& array, std::int64_t at);
std::vector<double> column_of(const store::Array& array, std::int64_t at); // of two axes

NumberArray numbers(const store::Array& array);
figures::Records records_of(const store::Table& table);
// Adds a column with the means of the rows of [place, prompt], and one for each prompt, under its label.
void add_rows(figures::Records& records, const store::Array& array, const std::string& mean_name);

// Makes a figure of any array or table: a map of two axes, a line of one, otherwise numbers alone.
Result<ResultFigure> any_figure(const store::ResultReader& reader, const ResultItem& item);
// Lists the arrays and tables under a group, except groups or arrays for which `skip` returns true.
using SkipPath = std::function<bool(const std::string& path)>;
Result<ResultItems> items_under(const ResultPart& part, const store::ResultReader& reader, const std::string& group,
                                const std::string& prefix, const SkipPath& skip);

} // namespace headscope::parts
