// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/prompts/csv.h"

namespace headscope {
namespace {

struct Record {
  std::vector<std::string> cells;
  int line = 0;
};

Result<std::vector<Record>> records_of(const std::string& text, const std::string& file) {
  std::vector<Record> records;
  Record record{{}, 1};
  std::string cell;
  bool quoted = false, any = false;
  int line = 1;
  const auto end_record = [&] {
    if (any || !cell.empty() || !record.cells.empty()) {
      record.cells.push_back(cell);
      records.push_back(record);
    }
    cell.clear();
    any = false;
    record = {{}, line};
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n') ++line;
    if (quoted) {
      if (c != '"')
        cell += c;
      else if (i + 1 < text.size() && text[i + 1] == '"')
        cell += text[++i];
      else
        quoted = false;
    } else if (c == '"' && cell.empty()) {
      quoted = any = true;
    } else if (c == ',') {
      record.cells.push_back(cell);
      cell.clear();
      any = true;
    } else if (c == '\n') {
      end_record();
    } else if (c != '\r' || (i + 1 < text.size() && text[i + 1] != '\n')) {
      cell += c;
    }
  }
  if (quoted)
    return make_error(ErrorCode::corrupt, "a quote is never closed", file, "line " + std::to_string(record.line));
  end_record();
  return records;
}

} // namespace

std::optional<std::size_t> CsvTable::column(const std::string& name) const {
  for (std::size_t i = 0; i < header.size(); ++i)
    if (header[i] == name) return i;
  return std::nullopt;
}

Result<CsvTable> parse_csv(const std::string& text, const std::string& file) {
  const std::string start = text.rfind("\xEF\xBB\xBF", 0) == 0 ? text.substr(3) : text;
  HS_ASSIGN(const auto records, records_of(start, file));
  if (records.empty()) return make_error(ErrorCode::corrupt, "is empty", file);
  CsvTable table;
  table.header = records.front().cells;
  for (std::size_t i = 1; i < records.size(); ++i) {
    if (records[i].cells.size() != table.header.size())
      return make_error(ErrorCode::corrupt,
                        "has " + std::to_string(records[i].cells.size()) + " fields, the header " +
                            std::to_string(table.header.size()),
                        file, "line " + std::to_string(records[i].line));
    table.rows.push_back(records[i].cells);
    table.lines.push_back(records[i].line);
  }
  return table;
}

std::string csv_line(const std::vector<std::string>& fields) {
  std::string line;
  for (const std::string& field : fields) {
    if (&field != &fields.front()) line += ',';
    if (field.find_first_of(",\"\r\n") == std::string::npos) {
      line += field;
      continue;
    }
    line += '"';
    for (const char c : field)
      line += c == '"' ? std::string("\"\"") : std::string(1, c);
    line += '"';
  }
  return line + "\n";
}

} // namespace headscope
