// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/prompts/needle_file.h"

#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include <nlohmann/json.hpp>

#include "core/base/json_text.h"
#include "core/base/sha256.h"
#include "core/base/text_file.h"
#include "core/prompts/csv.h"

namespace headscope {
namespace {

constexpr const char* fields[] = {"name", "needle", "question", "answer", "real_needle"};

// The texts of one needle, by field.
struct Record {
  std::map<std::string, std::string> texts;
  std::string place; // "line 3"
};

Result<std::vector<Record>> records_of_csv(const std::string& text, const std::string& path) {
  HS_ASSIGN(const CsvTable table, parse_csv(text, path));
  std::vector<Record> records;
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    Record record{{}, "line " + std::to_string(table.lines[i])};
    for (std::size_t c = 0; c < table.header.size(); ++c)
      if (!table.rows[i][c].empty()) record.texts.emplace(table.header[c], table.rows[i][c]);
    records.push_back(std::move(record));
  }
  return records;
}

Result<Record> record_of(const nlohmann::json& json, const std::string& path, const std::string& place) {
  if (!json.is_object()) return make_error(ErrorCode::invalid_argument, "is not a JSON object", path, place);
  Record record{{}, place};
  for (const char* field : fields) {
    const auto found = json.find(field);
    if (found == json.end() || found->is_null()) continue;
    if (!found->is_string())
      return make_error(ErrorCode::invalid_argument, "is not a string", path, place + ": " + field);
    record.texts.emplace(field, found->get<std::string>());
  }
  return record;
}

Result<std::vector<Record>> records_of_lines(const std::string& text, const std::string& path) {
  std::istringstream lines(text);
  std::vector<Record> records;
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const std::string place = "line " + std::to_string(number);
    const auto parsed = parse_json(line, path);
    if (!parsed.ok()) return make_error(ErrorCode::corrupt, "is not a JSON object", path, place);
    HS_ASSIGN(Record record, record_of(*parsed, path, place));
    records.push_back(std::move(record));
  }
  return records;
}

Result<std::vector<Record>> records_of_document(const std::string& text, const std::string& path) {
  HS_ASSIGN(const nlohmann::json document, parse_json(text, path));
  const bool inside = document.is_object() && document.contains("needles");
  const nlohmann::json& list = inside ? document.at("needles") : document;
  if (!list.is_array())
    return make_error(ErrorCode::invalid_argument, "must be a list of needles, or an object with one as \"needles\"",
                      path, inside ? "needles" : "");
  std::vector<Record> records;
  for (std::size_t i = 0; i < list.size(); ++i) {
    HS_ASSIGN(Record record, record_of(list[i], path, (inside ? "needles[" : "[") + std::to_string(i) + "]"));
    records.push_back(std::move(record));
  }
  return records;
}

Result<std::vector<Record>> records_in(const std::string& text, const std::string& path) {
  const std::string ending = std::filesystem::path(path).extension().string();
  if (ending == ".csv") return records_of_csv(text, path);
  if (ending == ".json") return records_of_document(text, path);
  if (ending == ".jsonl" || ending == ".ndjson") return records_of_lines(text, path);
  return make_error(ErrorCode::unsupported, "must end with .csv, .jsonl or .json, which say how needles stand in it",
                    path);
}

// The text of a field, by either of its names.
Result<std::string> text_of(const Record& record, const std::string& path, const char* field, const char* also) {
  for (const char* name : {field, also})
    if (const auto found = record.texts.find(name); found != record.texts.end() && !found->second.empty())
      return found->second;
  std::string names;
  for (const auto& [name, text] : record.texts)
    names += (names.empty() ? "" : ", ") + name;
  return make_error(ErrorCode::invalid_argument, "is missing or empty; there are " + (names.empty() ? "none" : names),
                    path, record.place + ": " + field);
}

Result<Needle> needle_of(const Record& record, const std::string& path, std::size_t number) {
  Needle needle;
  const auto name = record.texts.find("name");
  needle.name = name == record.texts.end() || name->second.empty() ? "needle-" + std::to_string(number) : name->second;
  HS_ASSIGN(needle.needle, text_of(record, path, "needle", "needle"));
  HS_ASSIGN(needle.question, text_of(record, path, "question", "question"));
  HS_ASSIGN(needle.real_needle, text_of(record, path, "answer", "real_needle"));
  if (needle.needle.find(needle.real_needle) == std::string::npos)
    return make_error(ErrorCode::invalid_argument,
                      "must be a part of the needle, word for word: heads are scored by what they copy of it", path,
                      record.place + ": answer");
  return needle;
}

} // namespace

Result<NeedleFile> read_needle_file(const std::string& path) {
  HS_ASSIGN(std::string text, read_text_file(path));
  NeedleFile out;
  out.sha256 = sha256_hex(text.data(), text.size());
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3); // the mark that some programs put before UTF-8
  HS_ASSIGN(const std::vector<Record> records, records_in(text, path));
  if (records.empty()) return make_error(ErrorCode::invalid_argument, "has no needles", path);
  std::set<std::string> names;
  for (const Record& record : records) {
    HS_ASSIGN(Needle needle, needle_of(record, path, out.needles.size()));
    if (!names.insert(needle.name).second)
      return make_error(ErrorCode::invalid_argument, "another needle has the name " + needle.name, path,
                        record.place + ": name");
    out.needles.push_back(std::move(needle));
  }
  return out;
}

} // namespace headscope
