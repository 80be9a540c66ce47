// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/prompts/prompt_file.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <sstream>

#include <nlohmann/json.hpp>

#include "core/base/json_text.h"
#include "core/base/text_file.h"
#include "core/prompts/csv.h"

namespace headscope {
namespace {

Result<std::vector<PromptRow>> from_csv(const std::string& text, const std::string& path) {
  HS_ASSIGN(const CsvTable table, parse_csv(text, path));
  for (const char* name : {"prompt", "clean", "answer", "wrong", "corrupted", "corrupt"})
    if (std::count(table.header.begin(), table.header.end(), name) > 1)
      return make_error(ErrorCode::invalid_argument, std::string("has several columns ") + name, path, "header");
  auto prompt = table.column("prompt");
  if (!prompt) prompt = table.column("clean");
  if (!prompt) {
    std::string found;
    for (const std::string& name : table.header)
      found += (found.empty() ? "" : ", ") + name;
    return make_error(
        ErrorCode::invalid_argument,
        "has no column prompt (or clean), only: " + found +
            "; the first line must name the columns, of which prompt, corrupted, answer and wrong are known",
        path, "header");
  }
  const auto answer = table.column("answer"), wrong = table.column("wrong");
  auto corrupted = table.column("corrupted");
  if (!corrupted) corrupted = table.column("corrupt");
  std::vector<PromptRow> rows;
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const auto& cells = table.rows[i];
    rows.push_back({cells[*prompt], answer ? cells[*answer] : "", wrong ? cells[*wrong] : "",
                    "line " + std::to_string(table.lines[i]), corrupted ? cells[*corrupted] : ""});
  }
  return rows;
}

std::string names_of(const nlohmann::json& json) {
  std::string names;
  for (const auto& [name, unused] : json.items())
    names += (names.empty() ? "" : ", ") + name;
  return names.empty() ? "none" : names;
}

Result<PromptRow> from_json(const nlohmann::json& json, const std::string& path, const std::string& place) {
  if (!json.is_object()) return make_error(ErrorCode::corrupt, "is not a JSON object", path, place);
  PromptRow row{{}, {}, {}, place, {}};
  const char* prompt = json.contains("prompt") ? "prompt" : "clean";
  if (!json.contains(prompt))
    return make_error(ErrorCode::invalid_argument, "has no field prompt (or clean), only: " + names_of(json), path,
                      place);
  const char* corrupted = json.contains("corrupted") ? "corrupted" : "corrupt";
  for (const auto& [key, text] :
       {std::pair(prompt, &row.prompt), {corrupted, &row.corrupted}, {"answer", &row.answer}, {"wrong", &row.wrong}}) {
    const auto found = json.find(key);
    if (found == json.end() || found->is_null()) continue;
    const bool list = (text == &row.answer || text == &row.wrong) && found->is_array() &&
                      std::all_of(found->begin(), found->end(), [](const auto& each) { return each.is_string(); });
    if (!found->is_string() && !list)
      return make_error(ErrorCode::invalid_argument, std::string("the field ") + key + " is not a string", path, place);
    *text = list ? join_answers(found->get<std::vector<std::string>>()) : found->get<std::string>();
  }
  return row;
}

Result<std::vector<PromptRow>> from_lines(const std::string& text, const std::string& path, bool json) {
  std::istringstream lines(text);
  std::vector<PromptRow> rows;
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty()) continue;
    const std::string place = "line " + std::to_string(number);
    PromptRow row{line, {}, {}, place, {}};
    if (json) {
      auto parsed = parse_json(line, path);
      if (!parsed.ok()) return make_error(ErrorCode::corrupt, "is not a JSON object", path, place);
      HS_ASSIGN(row, from_json(*parsed, path, place));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

// Reads a list, or an object that holds it under one of two names.
Result<std::vector<PromptRow>> from_document(const std::string& text, const std::string& path) {
  HS_ASSIGN(const nlohmann::json document, parse_json(text, path));
  const nlohmann::json* list = &document;
  std::string name;
  for (const char* key : {"pairs", "prompts"})
    if (document.is_object() && document.contains(key)) {
      list = &document[key];
      name = key;
      break;
    }
  if (!list->is_array())
    return make_error(ErrorCode::invalid_argument,
                      "must be a list of prompts, or an object with one as \"pairs\" or \"prompts\"", path, name);
  std::vector<PromptRow> rows;
  for (std::size_t i = 0; i < list->size(); ++i) {
    const std::string place = name + "[" + std::to_string(i) + "]";
    PromptRow row{{}, {}, {}, place, {}};
    if ((*list)[i].is_string()) {
      row.prompt = (*list)[i].get<std::string>();
    } else {
      HS_ASSIGN(row, from_json((*list)[i], path, place));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

// The ending of the file's name in lower case, which says how to read it; empty when the name has none.
std::string ending_of(const std::string& path) {
  std::string ending = std::filesystem::path(path).extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return std::tolower(c); });
  return ending;
}

Result<std::vector<PromptRow>> rows_of(const std::string& text, const std::string& path) {
  const std::string ending = ending_of(path);
  if (ending == ".csv") return from_csv(text, path);
  if (ending == ".json") return from_document(text, path);
  if (ending == ".jsonl" || ending == ".ndjson") return from_lines(text, path, true);
  if (ending.empty() || ending == ".txt") return from_lines(text, path, false);
  return make_error(ErrorCode::unsupported,
                    "the ending " + ending +
                        " says nothing about how prompts stand in it; known are .csv, .jsonl, .json and .txt",
                    path);
}

} // namespace

std::vector<std::string> split_answers(const std::string& text) {
  std::vector<std::string> answers;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('|', begin), text.size());
    answers.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  if (text.empty()) return {};
  const bool whole = std::any_of(answers.begin(), answers.end(), [](const auto& each) { return each.empty(); });
  return whole ? std::vector<std::string>{text} : answers;
}

std::string join_answers(const std::vector<std::string>& answers) {
  std::string text;
  for (const std::string& answer : answers)
    text += (text.empty() ? "" : "|") + answer;
  return text;
}

Result<std::vector<PromptRow>> read_prompt_file(const std::string& path) {
  HS_ASSIGN(std::string text, read_text_file(path));
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF"))
    return make_error(ErrorCode::invalid_argument, "is UTF-16, not UTF-8", path);
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3); // the mark that some programs put before UTF-8
  auto rows = rows_of(text, path);
  if (!rows.ok()) return rows;
  if (rows->empty()) return make_error(ErrorCode::invalid_argument, "has no prompts", path);
  for (const PromptRow& row : *rows)
    if (row.prompt.empty())
      return make_error(ErrorCode::invalid_argument,
                        row.corrupted.empty() ? "the prompt is empty" : "the clean prompt is empty", path, row.place);
  return rows;
}

} // namespace headscope
