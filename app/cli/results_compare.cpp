// SPDX-License-Identifier: GPL-3.0-or-later
// Compares the scores, ablations and patchings that two result files have in common, cell by cell.
#include <algorithm>
#include <cstdio>

#include "app/cli/command.h"
#include "core/base/or_list.h"
#include "core/base/plain_text.h"
#include "core/scoring/value_comparison.h"
#include "core/store/result_file.h"

namespace headscope::cli {
namespace {

struct Options {
  std::string first, second, what = "all", name, other;
  std::int64_t top = 10;
};

// One array of a result with the meaning of its numbers. Only arrays of the same meaning are compared.
struct Measured {
  std::vector<std::string> axes;
  std::vector<std::int64_t> shape;
  std::vector<float> values;
  std::vector<std::pair<std::string, std::string>> meaning; // "metric", "units", ...
};

struct Kind {
  const char* name;
  const char* group;
  Result<Measured> (*read)(const store::ResultReader& reader, const std::string& name);
};

Result<Measured> read_scores(const store::ResultReader& reader, const std::string& name) {
  HS_ASSIGN(store::DetectorScores scores, reader.scores(name));
  return Measured{
      {"layer", "head"}, {scores.n_layers, scores.n_heads}, std::move(scores.scores), {{"units", scores.units}}};
}

Result<Measured> read_ablation(const store::ResultReader& reader, const std::string& name) {
  HS_ASSIGN(store::Ablation ablation, reader.ablation(name));
  const store::AblationSpec& spec = ablation.spec;
  return Measured{{"layer", "head"},
                  {spec.n_layers, spec.n_heads},
                  std::move(ablation.mean),
                  {{"metric", spec.metric}, {"units", spec.units}, {"method", spec.method}, {"phase", spec.phase}}};
}

Result<Measured> read_patching(const store::ResultReader& reader, const std::string& name) {
  HS_ASSIGN(store::Patching patching, reader.patching(name));
  const store::PatchingSpec& spec = patching.spec;
  return Measured{spec.axes, spec.shape, std::move(patching.restored), {{"metric", spec.metric}, {"site", spec.site}}};
}

constexpr Kind kinds[] = {{"scores", "/detectors", read_scores},
                          {"ablation", "/ablation", read_ablation},
                          {"patching", "/patching", read_patching}};

// The kinds: "scores, ablation, patching or all".
std::string kind_names() {
  std::vector<std::string> names;
  for (const Kind& kind : kinds)
    names.emplace_back(kind.name);
  names.emplace_back("all");
  return or_list(names);
}

// Names a cell: "18.6" for a layer and a head, otherwise "layer 3, position 4".
std::string cell_name(const Measured& measured, std::size_t cell) {
  std::vector<std::int64_t> at(measured.shape.size());
  auto rest = static_cast<std::int64_t>(cell);
  for (std::size_t axis = at.size(); axis-- > 0; rest /= measured.shape[axis])
    at[axis] = rest % measured.shape[axis];
  if (measured.axes == std::vector<std::string>{"layer", "head"}) return head_name({static_cast<int>(at[0]), at[1]});
  std::string name;
  for (std::size_t axis = 0; axis < at.size(); ++axis)
    name += (axis == 0 ? "" : ", ") + measured.axes[axis] + " " + std::to_string(at[axis]);
  return name;
}

struct Pair {
  std::string kind, first_name, second_name;
  Measured first, second;
};

// Lists differences in meaning: such numbers may be compared, but the reader must be told.
std::vector<std::string> differences_of_meaning(const Pair& pair) {
  std::vector<std::string> out;
  for (const auto& [what, value] : pair.first.meaning)
    for (const auto& [other, theirs] : pair.second.meaning)
      if (what == other && value != theirs) {
        std::string line = what;
        line.append(" is ").append(value).append(" and ").append(theirs);
        out.push_back(line);
      }
  return out;
}

nlohmann::json to_json(const Pair& pair, std::int64_t top) {
  const ValueComparison found = compare_values(pair.first.values, pair.second.values);
  std::vector<std::size_t> order = strongest_first({found.difference.begin(), found.difference.end()}, Rank::by_size);
  order.resize(std::min(order.size(), static_cast<std::size_t>(top)));
  nlohmann::json cells = nlohmann::json::array();
  for (const std::size_t cell : order)
    cells.push_back({{"cell", cell_name(pair.first, cell)},
                     {"first", number(static_cast<double>(pair.first.values[cell]))},
                     {"second", number(static_cast<double>(pair.second.values[cell]))},
                     {"difference", number(static_cast<double>(found.difference[cell]))}});
  return {{"kind", pair.kind},
          {"first", pair.first_name},
          {"second", pair.second_name},
          {"cells", found.difference.size()},
          {"compared", found.compared},
          {"correlation", number(found.correlation)},
          {"rank_correlation", number(found.rank_correlation)},
          {"mean_difference", number(found.mean_difference)},
          {"mean_absolute_difference", number(found.mean_size)},
          {"top_overlap", number(top_overlap(pair.first.values, pair.second.values, static_cast<std::size_t>(top)))},
          {"different_meaning", differences_of_meaning(pair)},
          {"largest_differences", std::move(cells)}};
}

std::string shown(const nlohmann::json& value) {
  return value.is_null() ? "-" : value.is_string() ? value.get<std::string>() : value_text(value.get<double>());
}

void print(const nlohmann::json& pair, std::int64_t top) {
  std::string title = pair["kind"].get<std::string>() + " " + pair["first"].get<std::string>();
  if (pair["first"] != pair["second"]) title += " and " + pair["second"].get<std::string>();
  std::printf("%s: %lld of %lld cells compared\n", plain_text(title).c_str(), pair["compared"].get<long long>(),
              pair["cells"].get<long long>());
  std::printf("correlation %s, of ranks %s; mean difference %s, of its size %s; of the %lld strongest %s are shared\n",
              shown(pair["correlation"]).c_str(), shown(pair["rank_correlation"]).c_str(),
              shown(pair["mean_difference"]).c_str(), shown(pair["mean_absolute_difference"]).c_str(),
              static_cast<long long>(top), shown(pair["top_overlap"]).c_str());
  std::vector<std::vector<std::string>> lines = {{"", "first", "second", "difference"}};
  for (const nlohmann::json& cell : pair["largest_differences"])
    lines.push_back({cell["cell"], shown(cell["first"]), shown(cell["second"]), shown(cell["difference"])});
  std::printf("%s\n", aligned(lines).c_str());
}

struct Opened {
  const std::string& file;
  store::ResultReader reader;
};

// Pairs the names of both files; `name` and `other` choose one pair.
Result<std::vector<std::pair<std::string, std::string>>> names_of(const Kind& kind, const Opened& first,
                                                                  const Opened& second, const Options& options) {
  HS_ASSIGN(const auto here, first.reader.list(kind.group));
  HS_ASSIGN(const auto there, second.reader.list(kind.group));
  const auto has = [](const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  std::vector<std::pair<std::string, std::string>> out;
  for (const std::string& name : here) {
    if (!options.name.empty() && name != options.name) continue;
    const std::string& theirs = options.other.empty() ? name : options.other;
    if (has(there, theirs)) out.emplace_back(name, theirs);
  }
  return out;
}

// Checks that the shapes are the same, since otherwise cells are not the same heads.
Status check_shapes(const Pair& pair, const Options& options) {
  if (pair.first.shape == pair.second.shape && pair.first.axes == pair.second.axes) return {};
  return make_error(ErrorCode::mismatch,
                    "has another shape than in " + options.first + "; only runs of one model shape are compared",
                    options.second, pair.kind + " " + pair.second_name);
}

Result<std::vector<Pair>> pairs_of(const Options& options, const Opened& first, const Opened& second) {
  std::vector<Pair> pairs;
  for (const Kind& kind : kinds) {
    if (options.what != "all" && options.what != kind.name) continue;
    HS_ASSIGN(const auto names, names_of(kind, first, second, options));
    for (const auto& [name, other] : names) {
      Pair pair{kind.name, name, other, {}, {}};
      HS_ASSIGN(pair.first, kind.read(first.reader, name));
      HS_ASSIGN(pair.second, kind.read(second.reader, other));
      HS_TRY(check_shapes(pair, options));
      pairs.push_back(std::move(pair));
    }
  }
  if (pairs.empty())
    return make_error(ErrorCode::not_found, "has nothing in common with " + options.first, options.second,
                      "--what " + options.what);
  return pairs;
}

Result<std::string> model_of(const Opened& opened) {
  HS_ASSIGN(const store::Attributes model, opened.reader.model());
  const std::string sha = store::text_attribute(model, "sha256");
  return store::text_attribute(model, "name") + " (SHA-256 " + sha.substr(0, 12) + ")";
}

Status warn_of_differences(const Opened& first, const Opened& second, const std::vector<Pair>& pairs,
                           const Console& console) {
  HS_ASSIGN(const std::string here, model_of(first));
  HS_ASSIGN(const std::string there, model_of(second));
  if (here != there) console.warn("the models are not the same: " + here + " and " + there);
  for (const Opened* each : {&first, &second})
    if (!each->reader.info().complete)
      console.warn(each->file + ": the run was interrupted; what it lacks is left out");
  for (const Pair& pair : pairs)
    for (const std::string& line : differences_of_meaning(pair))
      console.warn(pair.kind + " " + pair.first_name + ": " + line);
  return {};
}

Status run(const Options& options, const Console& console) {
  if (options.name.empty() && !options.other.empty())
    return make_error(ErrorCode::invalid_argument, "needs --name, the one of the first file", {}, "--other");
  if (options.what != "all" &&
      std::none_of(std::begin(kinds), std::end(kinds), [&](const Kind& kind) { return options.what == kind.name; }))
    return make_error(ErrorCode::invalid_argument, "'" + options.what + "' is not one of " + kind_names(), {},
                      "--what");
  HS_ASSIGN(auto reader, store::ResultReader::open(options.first));
  HS_ASSIGN(auto other, store::ResultReader::open(options.second));
  const Opened first{options.first, std::move(reader)}, second{options.second, std::move(other)};
  HS_ASSIGN(const std::vector<Pair> pairs, pairs_of(options, first, second));
  HS_TRY(warn_of_differences(first, second, pairs, console));
  nlohmann::json document = nlohmann::json::array();
  for (const Pair& pair : pairs) {
    document.push_back(to_json(pair, options.top));
    if (!console.json) print(document.back(), options.top);
  }
  if (console.json) console.print({{"files", {options.first, options.second}}, {"pairs", document}});
  return {};
}

} // namespace

void add_results_compare(CLI::App& app, Commands& commands) {
  CLI::App* group = app.add_subcommand("results", "Work with several result files");
  group->require_subcommand(1);
  CLI::App* command =
      add_command(*group, commands, "compare", "Say where two results of one kind agree and differ, cell by cell",
                  "headscope results compare base.h5 tuned.h5 --what ablation --top 20");
  auto options = std::make_shared<Options>();
  command->add_option("FIRST", options->first, "An HDF5 result file")->required();
  command->add_option("SECOND", options->second, "The one that it is compared with")->required();
  command->add_option("--what", options->what, kind_names())->capture_default_str();
  command->add_option("--name", options->name, "Only the detector, ablation or patching of this name");
  command->add_option("--other", options->other, "Its name in the second file, where that is another");
  command->add_option("--top", options->top, "Largest differences to list, and strongest cells to look for in both")
      ->check(at_least(1))
      ->capture_default_str();
  command->callback(
      [&commands, options] { commands.chosen = [options](const Console& console) { return run(*options, console); }; });
}

} // namespace headscope::cli
