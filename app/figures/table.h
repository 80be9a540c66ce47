// SPDX-License-Identifier: GPL-3.0-or-later
// Writes numbers as files: CSV and NPY.
//
// Neither format has room for metadata that readers agree on, so the provenance goes to a sidecar: NAME.csv
// comes with NAME.csv.json, NAME.npy with NAME.npy.json, one JSON object of the provenance's keys and values in their
// order. The CSV itself stays plain RFC 4180 (pandas.read_csv needs no option).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "app/figures/figure.h"
#include "core/base/result.h"

namespace headscope::figures {

struct WriteOptions {
  bool overwrite = false;
};

// A table of numbers. With row_labels the first column holds them, under row_header.
struct Table {
  std::vector<std::string> columns;
  std::string row_header;
  std::vector<std::string> row_labels; // empty, or one for each row
  std::vector<double> values;          // row by row; NaN is written as an empty field
};

// Writes UTF-8 with CRLF line ends and the shortest digits that read back as the same double. Bytes of a label that are
// not
// UTF-8 become U+FFFD. Files appear whole or not at all; existing ones are kept (already_exists) unless
// overwrite.
Status write_csv(const std::string& path, const Table& table, const Provenance& provenance,
                 const WriteOptions& options = {});

// Writes NPY 1.0, little-endian float32, C order. The product of `shape` is data.size(); an empty shape is a scalar.
Status write_npy(const std::string& path, const std::vector<std::int64_t>& shape, std::span<const float> data,
                 const Provenance& provenance, const WriteOptions& options = {});

// A table whose columns hold numbers or texts, one row per observation, as in data frames.
struct RecordColumn {
  std::string name;
  std::variant<std::vector<double>, std::vector<std::string>> values;
};
struct Records {
  std::vector<RecordColumn> columns; // of one length

  std::size_t rows() const;
  Records& add(std::string name, std::vector<double> values);
  Records& add(std::string name, std::vector<std::string> texts);
};

// Writes records as above. Returns invalid_argument where columns have unequal lengths.
Status write_csv(const std::string& path, const Records& records, const Provenance& provenance,
                 const WriteOptions& options = {});

// Writes the columns of numbers, [row, column]; their names are in the sidecar as "columns". Returns unsupported when
// there is none.
Status write_npy(const std::string& path, const Records& records, const Provenance& provenance,
                 const WriteOptions& options = {});

// Turns a map into one record per cell that is not masked: its row, its column, and the value, in a column named
// `value`. Rows and columns are numbers and, where they have labels, also texts: `layer`, `head`; `query`,
// `query_token` (for an axis "query token").
Result<Records> to_records(const HeatmapFigure& figure, const std::string& value);

// Turns a map into a table: its tick labels as columns and row labels, masked cells empty. invalid_argument
// for a map that render() does not accept. Values are widened to double, so float 0.1 reads 0.10000000149011612.
Result<Table> to_table(const HeatmapFigure& figure);

} // namespace headscope::figures
