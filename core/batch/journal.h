// SPDX-License-Identifier: GPL-3.0-or-later
// What an experiment has finished, in an append-only file that survives kill -9 at any moment: at most the record
// being written is lost. docs/experiments.md describes the format.
//
//   "HSJRNL1\n", then records: body length (uint32), CRC-32C of the body (uint32), body; little endian.
//   The first body is the header (CBOR); every other is a cell: its number (uint64), then its result (CBOR).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/base/result.h"

namespace headscope {

// The results of cells by their number.
using CellResults = std::map<std::int64_t, nlohmann::json>;

struct JournalHeader {
  std::string fingerprint; // of everything that the results depend on
  std::int64_t cells = 0;  // of the whole experiment
  // Kept for the result file, which must not depend on when its parts were made.
  std::string created, command_line;
  std::string file, text; // of the experiment
  std::string out;        // the result file
  bool operator==(const JournalHeader&) const = default;
};
nlohmann::json to_json(const JournalHeader& header);
// Returns corrupt when a field is missing.
Result<JournalHeader> header_from_json(const nlohmann::json& json);

struct JournalContent {
  JournalHeader header;
  CellResults cells;           // a cell that is there twice: the first
  std::int64_t good_bytes = 0; // what comes after these was cut off by a kill, or is damaged
};
// Returns not_found, or corrupt for a file that is not a journal or has no whole header.
Result<JournalContent> read_journal(const std::string& path);

class Journal {
public:
  // Makes a new file under its final name with its header on disk; returns already_exists when the file is there.
  static Result<Journal> create(const std::string& path, const JournalHeader& header);
  // Cuts off whatever follows the good part of a journal that was read, and appends to it.
  static Result<Journal> resume(const std::string& path, const JournalContent& content);

  Journal(Journal&& other) noexcept;
  Journal& operator=(Journal&& other) noexcept;
  ~Journal();

  // Appends a record, which is on disk (fdatasync) when this returns. Errors: io, naming the file.
  Status append(std::int64_t cell, const nlohmann::json& result);
  const std::string& path() const { return path_; }

private:
  Journal(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  Status write(const std::string& bytes);

  std::string path_;
  int fd_ = -1;
};

// Packs many cells into one text for another process.
std::string pack_cells(const CellResults& cells);
Result<CellResults> unpack_cells(const std::string& bytes);
// The result as a later run reads it from the journal, exact to the last bit of a NaN.
Result<CellResults> as_read_back(std::int64_t cell, const nlohmann::json& result);

// The SHA-256 of everything that results depend on, for a header.
std::string fingerprint_of(const nlohmann::json& all);

} // namespace headscope
