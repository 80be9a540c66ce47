// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/context/context_report.h"

#include <cmath>
#include <limits>

#include "app/methods/base/values.h"

namespace headscope::methods {
namespace {

nlohmann::json to_json(const ManagedResult& result, const ManagedTexts& all) {
  if (result.manager.empty()) return nullptr; // interrupted before it
  nlohmann::json json = {{"manager", result.manager},
                         {"nll", number(result.nll)},
                         {"kl", result.kl ? number(*result.kl) : nlohmann::json()},
                         {"seconds", number(result.seconds)},
                         {"tokens_read", result.tokens_read}};
  const auto n = static_cast<std::size_t>(all.segments);
  if (!result.recall.empty()) json["recall"] = matrix(result.recall, n, n);
  for (const double each : result.surprise)
    json["surprise"].push_back(number(each));
  for (const ManagedResult::Needle& needle : result.needles)
    json["needles"].push_back({{"depth", needle.depth},
                               {"segment", needle.segment},
                               {"rank", needle.rank ? nlohmann::json(*needle.rank) : nlohmann::json()},
                               {"nll", number(needle.nll)}});
  return json;
}

// The whole text first, segments alone next, then what was asked for; those that were measured.
std::vector<const ManagedResult*> rows_of(const ManagedTexts& texts) {
  std::vector<const ManagedResult*> rows;
  if (texts.whole) rows.push_back(&*texts.whole);
  if (!texts.alone.manager.empty()) rows.push_back(&texts.alone);
  for (const ManagedResult& each : texts.managers)
    rows.push_back(&each);
  return rows;
}

std::string needles_text(const ManagedTexts& texts) {
  std::vector<std::vector<std::string>> lines = {{"manager", "depth", "segment", "rank", "answer nll"}};
  for (const ManagedResult* each : rows_of(texts))
    for (const ManagedResult::Needle& needle : each->needles)
      lines.push_back({each->manager, fixed(needle.depth, 2), std::to_string(needle.segment),
                       needle.rank ? std::to_string(*needle.rank) + " of " + std::to_string(texts.segments) : "-",
                       fixed(needle.nll, 3)});
  return lines.size() == 1 ? std::string() : "\n" + aligned(lines);
}

std::string text_of(const ManagedTexts& texts) {
  std::vector<std::vector<std::string>> lines = {{"manager", "nll", "kl", "tokens read", "seconds"}};
  for (const ManagedResult* each : rows_of(texts))
    lines.push_back({each->manager, fixed(each->nll, 4), each->kl ? value_text(*each->kl) : "-",
                     std::to_string(each->tokens_read), fixed(each->seconds, 2)});
  return std::to_string(texts.tokens) + " tokens in " + std::to_string(texts.segments) + " segments of " +
         std::to_string(texts.segment) + "\n\n" + aligned(lines) + needles_text(texts);
}

store::Table table_of(const ManagedTexts& texts) {
  std::vector<std::string> manager;
  std::vector<std::int64_t> read;
  std::vector<double> nll, kl, seconds;
  for (const ManagedResult* each : rows_of(texts)) {
    manager.push_back(each->manager);
    nll.push_back(each->nll);
    kl.push_back(each->kl.value_or(std::numeric_limits<double>::quiet_NaN()));
    read.push_back(each->tokens_read);
    seconds.push_back(each->seconds);
  }
  return {{{"manager", manager, "", "the context manager as given; the whole text and segments alone first"},
           {"nll", nll, "nat", "mean loss of the next token"},
           {"kl", kl, "nat", "mean KL(the whole text's prediction || this one); NaN where that does not fit the model"},
           {"tokens_read", read, "token", "tokens and vectors that the model read"},
           {"seconds", seconds, "s", "time of one run of the text, without the unembedding"}},
          {}};
}

store::Table needle_table(const ManagedTexts& texts) {
  std::vector<std::string> manager;
  std::vector<double> depth, nll;
  std::vector<std::int64_t> segment, rank;
  for (const ManagedResult* each : rows_of(texts))
    for (const ManagedResult::Needle& needle : each->needles) {
      manager.push_back(each->manager);
      depth.push_back(needle.depth);
      segment.push_back(needle.segment);
      rank.push_back(needle.rank.value_or(-1));
      nll.push_back(needle.nll);
    }
  return {
      {{"manager", manager, "", "the context manager as given"},
       {"depth", depth, "1", "share of the segments before the needle's"},
       {"segment", segment, "1", "the segment that has the needle, from 0"},
       {"rank", rank, "1", "place of that segment by what the question recalls, from 1; -1 where nothing is recalled"},
       {"nll", nll, "nat", "mean loss of the answer's tokens"}},
      {}};
}

// Stores what the managers have of it, one after the other.
Status store_maps(store::ResultWriter& writer, const ManagedTexts& texts, const char* name,
                  std::vector<double> ManagedResult::*values, store::ArraySpec spec) {
  std::vector<std::string> names;
  std::vector<double> all;
  for (const ManagedResult& each : texts.managers) {
    const std::vector<double>& own = each.*values;
    if (own.empty()) continue;
    names.push_back(each.manager);
    all.insert(all.end(), own.begin(), own.end());
  }
  if (names.empty()) return {};
  spec.dtype = store::DType::float64;
  spec.units = "1";
  spec.shape.insert(spec.shape.begin(), std::ssize(names));
  spec.axes.insert(spec.axes.begin(), {"manager", names});
  return writer.add_array(std::string("/contexts/") + name, spec, std::span<const double>(all));
}

} // namespace

Report list_of_managers() {
  Report report{nlohmann::json::array(), {}};
  for (const contexts::ManagerDefinition* each : contexts::all_managers()) {
    const contexts::ManagerInfo& info = each->info;
    nlohmann::json options = nlohmann::json::array();
    report.text += std::string(info.id) + ": " + info.title + "\n";
    for (const mechanisms::MechanismOption& option : info.options) {
      const std::string value = mechanisms::default_text(option);
      options.push_back(
          {{"name", option.name}, {"default", value}, {"help", option.help}, {"choices", option.choices}});
      report.text += "  " + std::string(option.name) + " (" + value + "): " + option.help + "\n";
    }
    report.json.push_back({{"id", info.id},
                           {"title", info.title},
                           {"what", info.what},
                           {"cost", info.cost},
                           {"reference", info.reference},
                           {"equals_full", info.equals_full},
                           {"training", info.training},
                           {"options", options}});
  }
  return report;
}

Report context_report(const ManagedTexts& texts) {
  nlohmann::json managers = nlohmann::json::array();
  for (const ManagedResult& each : texts.managers)
    managers.push_back(to_json(each, texts));
  return Report{{{"tokens", texts.tokens},
                 {"segment", texts.segment},
                 {"segments", texts.segments},
                 {"skip", texts.skip},
                 {"whole", texts.whole ? to_json(*texts.whole, texts) : nlohmann::json()},
                 {"alone", to_json(texts.alone, texts)},
                 {"managers", managers},
                 {"complete", texts.complete}},
                text_of(texts),
                texts.complete};
}

Status store_contexts(store::ResultWriter& writer, const ManagedTexts& texts) {
  HS_TRY(
      writer.set_attributes("/contexts", {{"tokens", texts.tokens}, {"segment", texts.segment}, {"skip", texts.skip}}));
  HS_TRY(writer.add_table("/contexts/managers", table_of(texts)));
  if (!texts.alone.needles.empty()) HS_TRY(writer.add_table("/contexts/needles", needle_table(texts)));
  store::ArraySpec recall;
  recall.shape = {texts.segments, texts.segments};
  recall.axes = {{"segment", {}}, {"earlier_segment", {}}};
  recall.long_name = "what each earlier segment counts for the reading of a segment";
  HS_TRY(store_maps(writer, texts, "recall", &ManagedResult::recall, recall));
  store::ArraySpec surprise;
  surprise.shape = {texts.tokens};
  surprise.axes = {{"pos", {}}};
  surprise.long_name = "norm of the gradient by which a token is learned";
  return store_maps(writer, texts, "surprise", &ManagedResult::surprise, surprise);
}

} // namespace headscope::methods
