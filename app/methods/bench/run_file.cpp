// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/bench/run_file.h"

#include <cmath>
#include <filesystem>
#include <limits>

#include "app/methods/base/values.h"
#include "app/runs/result_parts.h"
#include "core/base/partial_file.h"
#include "core/base/text_file.h"

namespace headscope::methods {
namespace {

namespace fs = std::filesystem;

constexpr const char* table_path = "/bench/growth";
constexpr const char* text_fields[] = {"machine", "model", "dtype", "what"};

bool is_json(const std::string& path) { return fs::path(path).extension() == ".json"; }

// The run without its rows, as both formats store it beside the table.
store::Attributes head_of(const GrowthRun& run) {
  return {{"machine", run.machine},
          {"model", run.model},
          {"dtype", run.dtype},
          {"what", run.what},
          {"batch", run.batch},
          {"peak_flop_per_s", run.peak.flop_per_s},
          {"peak_bytes_per_s", run.peak.bytes_per_s},
          {"skipped", run.skipped}};
}

template <typename T, typename Get> std::vector<T> column(const std::vector<GrowthRow>& rows, Get get) {
  std::vector<T> values;
  for (const GrowthRow& row : rows)
    values.push_back(get(row));
  return values;
}

store::Table table_of(const GrowthRun& run) {
  const auto integers = [&](std::int64_t GrowthRow::*field) {
    return column<std::int64_t>(run.rows, [field](const GrowthRow& row) { return row.*field; });
  };
  const auto numbers = [&](auto get) { return column<double>(run.rows, get); };
  return {{{"axis", column<std::string>(run.rows, [](const GrowthRow& row) { return row.axis; }), "text",
            "which number was varied"},
           {"tokens", integers(&GrowthRow::tokens), "token", "of each prompt"},
           {"heads", integers(&GrowthRow::heads), "1", "of each layer"},
           {"layers", integers(&GrowthRow::layers), "1", "of the model"},
           {"seconds", numbers([](const GrowthRow& row) { return row.seconds; }), "s", "wall time"},
           {"memory_bytes", integers(&GrowthRow::memory_bytes), "byte", "peak above what the model takes"},
           {"flop", numbers([](const GrowthRow& row) { return row.work.flop; }), "1", "arithmetic of the work"},
           {"bytes", numbers([](const GrowthRow& row) { return row.work.bytes; }), "byte", "least memory traffic"}},
          head_of(run)};
}

nlohmann::json row_json(const GrowthRow& row, const Peak& peak) {
  return {{"axis", row.axis},
          {"tokens", row.tokens},
          {"heads", row.heads},
          {"layers", row.layers},
          {"seconds", row.seconds},
          {"memory_bytes", row.memory_bytes},
          {"flop", number(row.work.flop)},
          {"bytes", row.work.bytes},
          {"flop_per_s", number(row.flop_per_s())},
          {"bytes_per_s", number(row.bytes_per_s())},
          {"flop_share", number(row.flop_per_s() / peak.flop_per_s)},
          {"bytes_share", number(row.bytes_per_s() / peak.bytes_per_s)}};
}

Error no_run(const std::string& path, const std::string& field) {
  return make_error(ErrorCode::corrupt, "is missing or of another kind; wanted is a file that bench growth wrote", path,
                    field);
}

// Makes a run from fields that have the same names in both formats.
Result<GrowthRun> run_of(const nlohmann::json& head, const nlohmann::json& rows, const std::string& path) {
  GrowthRun run;
  std::string* const texts[] = {&run.machine, &run.model, &run.dtype, &run.what};
  for (std::size_t i = 0; i < std::size(text_fields); ++i) {
    if (!head.contains(text_fields[i]) || !head[text_fields[i]].is_string()) return no_run(path, text_fields[i]);
    *texts[i] = head[text_fields[i]].get<std::string>();
  }
  const auto get = [&](const nlohmann::json& from, const char* field, auto& into) -> Status {
    if (!from.is_object() || !from.contains(field) || !from[field].is_number()) return no_run(path, field);
    into = from[field].get<std::remove_reference_t<decltype(into)>>();
    return {};
  };
  HS_TRY(get(head, "batch", run.batch));
  HS_TRY(get(head, "peak_flop_per_s", run.peak.flop_per_s));
  HS_TRY(get(head, "peak_bytes_per_s", run.peak.bytes_per_s));
  if (!rows.is_array()) return no_run(path, "rows");
  for (const auto& from : rows) {
    GrowthRow row;
    if (!from.is_object() || !from.contains("axis") || !from["axis"].is_string()) return no_run(path, "rows.axis");
    row.axis = from["axis"].get<std::string>();
    HS_TRY(get(from, "tokens", row.tokens));
    HS_TRY(get(from, "heads", row.heads));
    HS_TRY(get(from, "layers", row.layers));
    HS_TRY(get(from, "seconds", row.seconds));
    HS_TRY(get(from, "memory_bytes", row.memory_bytes));
    row.work.flop = std::numeric_limits<double>::quiet_NaN(); // null
    if (!from.contains("flop") || !from["flop"].is_null()) HS_TRY(get(from, "flop", row.work.flop));
    HS_TRY(get(from, "bytes", row.work.bytes));
    if (!(row.seconds > 0.0)) return make_error(ErrorCode::corrupt, "must be positive", path, "rows.seconds");
    run.rows.push_back(row);
  }
  return run;
}

Result<GrowthRun> read_json(const std::string& path) {
  HS_ASSIGN(const std::string text, read_text_file(path));
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return make_error(ErrorCode::corrupt, "is not a JSON object", path);
  return run_of(json, json.value("rows", nlohmann::json()), path);
}

Result<GrowthRun> read_table(const std::string& path) {
  HS_ASSIGN(const auto reader, store::ResultReader::open(path));
  if (!reader.exists(table_path)) return no_run(path, table_path);
  HS_ASSIGN(const store::Table table, reader.table(table_path));
  nlohmann::json rows = nlohmann::json::array();
  for (const store::Column& each : table.columns)
    std::visit(
        [&](const auto& values) {
          for (std::size_t i = 0; i < values.size(); ++i)
            rows[i][each.name] = values[i];
        },
        each.values);
  return run_of(store::to_json(table.attributes), rows, path);
}

} // namespace

nlohmann::json to_json(const GrowthRun& run) {
  nlohmann::json json = store::to_json(head_of(run));
  json["rows"] = nlohmann::json::array();
  for (const GrowthRow& row : run.rows)
    json["rows"].push_back(row_json(row, run.peak));
  return json;
}

Status check_run_file(const std::string& path, bool force) {
  if (!is_json(path) && fs::path(path).extension() != ".h5")
    return make_error(ErrorCode::invalid_argument, "must end in .json or .h5", path, "--out");
  if (!force && fs::exists(path))
    return make_error(ErrorCode::already_exists, "exists; give --force to replace it", path, "--out");
  return {};
}

Status save_run(const GrowthRun& run, const std::string& path, bool force, const Context& context, bool complete) {
  if (is_json(path))
    return write_file(path, to_json(run).dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n", force);
  store::ResultOptions how;
  how.overwrite = force;
  how.provenance = {headscope_version(), libtorch_version(), context.command_line, {0}};
  HS_ASSIGN(store::ResultWriter writer, store::ResultWriter::create(path, how));
  HS_TRY(writer.add_table(table_path, table_of(run)));
  return writer.commit(complete);
}

Result<GrowthRun> read_run(const std::string& path) { return is_json(path) ? read_json(path) : read_table(path); }

} // namespace headscope::methods
