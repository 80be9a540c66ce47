// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/mask/mask.h"

#include <algorithm>
#include <sstream>

#include "app/methods/inputs/tokens_per_run.h"
#include "app/methods/mask/mask_run.h"

namespace headscope::methods {
namespace {

struct MaskOptions {
  DetectOptions detect;
  MaskTaskOptions tasks;
  std::string heads = "detector", detector = "retrieval", methods = "uniform", phase = "auto";
  std::vector<std::int64_t> counts;     // empty: the usual ones
  std::optional<std::int64_t> excluded; // unset: usual_exclusion()
  MaskingOptions masking;               // without these
};

// The usual counts: 1, 2, 5, 10, 20, 50 heads, up to a quarter of the model's, so that there are others to compare
// with.
std::vector<std::int64_t> usual_counts(const ModelConfig& config, std::size_t ranked) {
  const std::int64_t most = std::min(config.n_layers * config.n_heads / 4, static_cast<std::int64_t>(ranked));
  std::vector<std::int64_t> counts;
  for (const std::int64_t count : {1, 2, 5, 10, 20, 50})
    if (count <= most) counts.push_back(count);
  if (counts.empty()) counts.push_back(1);
  return counts;
}

Result<std::vector<MaskMethod>> parse_methods(const std::string& text) {
  std::vector<MaskMethod> methods;
  std::istringstream names(text);
  for (std::string name; std::getline(names, name, ',');) {
    HS_ASSIGN(const MaskMethod method, parse_name<MaskMethod>(name, "--method"));
    methods.push_back(method);
  }
  if (methods.empty()) return make_error(ErrorCode::invalid_argument, "names no method", {}, "--method");
  return methods;
}

std::vector<Choice> phase_choices() {
  std::vector<Choice> choices = {{"auto", "decode where answers are generated, else both"}};
  for (const Named<Phase>& each : names_of<Phase>())
    choices.push_back({each.name, each.what});
  return choices;
}

Result<Phase> phase_of(const std::string& name, const MaskSet& set) {
  if (name == "auto") return set.phase;
  return parse_name<Phase>(name, "--phase");
}

// Measures every set by every method and stores each at once. Ends early, and not complete, when cancelled.
Result<Report> mask_all(const MaskOptions& options, const std::vector<MaskMethod>& methods, const HeadRanking& ranking,
                        const std::vector<MaskSet>& sets, const Work& work) {
  MaskingOptions masking = options.masking;
  nlohmann::json maskings = nlohmann::json::array();
  Report report;
  for (const MaskSet& set : sets)
    for (const MaskMethod method : methods) {
      if (!report.complete) break;
      masking.method = method;
      HS_ASSIGN(masking.phase, phase_of(options.phase, set));
      work.context.begin_step();
      HS_ASSIGN(MaskingResult result, run_masking(work.engine, set.tasks, ranking.heads, masking, work.context.control()));
      work.context.finish_progress();
      const std::string how = to_string(method), phase = to_string(masking.phase);
      const NamedMasking named{set.task + "_" + how + "_" + phase,
                               set.task,
                               set.metric,
                               set.units,
                               how,
                               phase,
                               ranking.from,
                               std::move(result)};
      if (work.writer) HS_TRY(store_masking(*work.writer, named, set.tasks));
      maskings.push_back(to_json(named));
      report.text += masking_table(named);
      report.complete = named.result.complete;
    }
  report.json = {{"maskings", maskings}, {"complete", report.complete}};
  return report;
}

void list_ranking_options(OptionList& list, MaskOptions& options) {
  list.add("heads", options.heads,
           "detector (run it now), a result file with its scores, or a list, strongest first (18.6,17.3)");
  list.add("detector", options.detector, "Whose scores rank the heads");
  list.add("set", options.detect.set, "An option of the detector: NAME.OPTION=VALUE; may be repeated");
  list.add("haystack", options.detect.haystack, "A text file or folder (default: generated from a seed)").reads_file();
}

void list_masking_options(OptionList& list, MaskOptions& options) {
  list.add("method", options.methods, "How heads are masked, comma-separated: " + all_names<MaskMethod>());
  list.add_choice("phase", options.phase, phase_choices(), "When they are masked");
  list.add("counts", options.counts, "How many heads to mask (default: 1,2,5,10,20,50, at most a quarter)")
      .in("head")
      .by_comma();
  list.add("seeds", options.masking.seeds, "Random controls for each count").at_least(1);
  list.add("exclude", options.excluded,
           "So many of the strongest are in no control (default: 100, at most the top tenth)")
      .in("head")
      .at_least(0);
  list.add("seed", options.masking.seed, "Of controls and tasks").at_least(0);
  list_tokens_per_run(list, options.masking.tokens_per_run);
}

void list_mask_tasks(OptionList& list, MaskOptions& options) {
  NeedleTaskOptions& needle = options.tasks.needle;
  list.add("task", options.tasks.names, "needle, repeated (tokens), ordinal (lists), ioi, text, cot; comma-separated");
  list.add("count", options.tasks.count, "Generated tasks of a kind; 0: 8 to 20 by kind").at_least(0);
  list.add("length_min", needle.length_min, "Shortest needle prompt").in("token").at_least(1);
  list.add("length_max", needle.length_max, "Longest").in("token").at_least(1);
  list.add("lengths", needle.lengths, "Lengths between them").at_least(1);
  list.add("depths", needle.depths, "Depths of the needle").at_least(1);
  list.add_choice("chat", options.tasks.chat, {{"auto", "where the model has one"}, {"on", {}}, {"off", {}}},
                  "Ask needle questions in the chat template");
  list.add("new_tokens", options.masking.new_tokens, "Longest answer").in("token").at_least(1);
}

class Mask : public Method {
public:
  const MethodInfo& info() const override {
    static const MethodInfo info = {
        .id = "mask",
        .summary = "Mask the strongest heads and see what a task loses, against random heads",
        .example = "headscope mask --model smollm2 --heads detector --detector retrieval --method uniform "
                   "--out mask.h5"};
    return info;
  }

  store::Attributes recorded_inputs() const override { return {{"reserve", options_.tasks.needle.reserve}}; }

  void options(OptionList& list) override {
    list_ranking_options(list, options_);
    list_masking_options(list, options_);
    list_mask_tasks(list, options_);
  }

  Status check_options() override {
    HS_TRY(check_haystack(options_.detect.haystack));
    HS_TRY(parse_methods(options_.methods));
    return {};
  }

  std::vector<std::int64_t> seeds() const override { return {static_cast<std::int64_t>(options_.masking.seed)}; }

  Result<Report> run(const Work& work) override {
    HS_ASSIGN(const auto methods, parse_methods(options_.methods));
    options_.tasks.haystack = options_.detect.haystack;
    options_.tasks.seed = options_.masking.seed;
    HS_ASSIGN(const auto sets, make_mask_sets(work.engine, options_.tasks));
    Context context = work.context;
    context.steps = static_cast<int>(sets.size() * methods.size()) + (options_.heads == "detector" ? 1 : 0);
    HS_ASSIGN(const HeadRanking ranking,
              rank_heads(options_.heads, options_.detector, options_.detect, work.engine, context, work.writer));
    if (ranking.heads.empty())
      return make_error(ErrorCode::unsupported, "the detector gave no head a score", {}, "--heads " + options_.heads);
    fill_in(work.engine.config(), ranking.heads.size());
    return mask_all(options_, methods, ranking, sets, {work.engine, work.writer, context});
  }

private:
  // Fills in options that depend on the model; the result records them.
  void fill_in(const ModelConfig& config, std::size_t ranked) {
    if (options_.counts.empty()) options_.counts = usual_counts(config, ranked);
    if (!options_.excluded) options_.excluded = usual_exclusion(config);
    options_.masking.counts = options_.counts;
    options_.masking.excluded = *options_.excluded;
  }

  MaskOptions options_;
};

} // namespace

std::unique_ptr<Method> make_mask() { return std::make_unique<Mask>(); }

} // namespace headscope::methods
