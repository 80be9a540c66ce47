// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/sweeps/joint_ablation.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include <ATen/ATen.h>

#include "core/base/random.h"
#include "core/model/guard.h"
#include "core/sweeps/ablation_plan.h"
#include "core/sweeps/ablation_source.h"
#include "core/sweeps/joint_replacement.h"

namespace headscope {
namespace {

using Kind = AblationNode::Kind;

Error bad_node(std::string_view part, const char* what) {
  return make_error(ErrorCode::invalid_argument, std::string("'").append(part).append("' ").append(what), {}, "nodes");
}

// Reads a number after `prefix`; false where the text has anything else.
bool number_after(std::string_view text, std::string_view prefix, std::int64_t& number) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && !text.empty() && text.front() != '-';
}

// Reads one name without consulting the model; a layer becomes a head of index -1.
Result<AblationNode> read_node(std::string_view part) {
  AblationNode node;
  std::int64_t layer = 0;
  const std::size_t dot = part.find('.');
  const std::string_view first = part.substr(0, dot);
  const std::string_view second = dot == std::string_view::npos ? std::string_view() : part.substr(dot + 1);
  const bool has_second = dot != std::string_view::npos;
  const bool head = has_second && (number_after(first, "a", layer)
                                       ? number_after(second, "h", node.index)
                                       : number_after(first, "", layer) && number_after(second, "", node.index));
  if (!head) {
    if (!has_second && number_after(first, "L", layer)) {
      node.index = -1;
    } else if (number_after(first, "m", layer) && (!has_second || number_after(second, "n", node.index))) {
      node.kind = has_second ? Kind::neuron : Kind::mlp;
    } else {
      return bad_node(part, "is not a node; write a18.h6 or 18.6 (head), m11 (MLP), m11.n345 (neuron) or L5 (layer)");
    }
  }
  // Clamps to a number far above any model's depth.
  node.layer = static_cast<int>(std::min<std::int64_t>(layer, std::numeric_limits<int>::max()));
  return node;
}

Status check_node(std::string_view part, const AblationNode& node, const ModelConfig& config) {
  if (node.layer >= config.n_layers)
    return bad_node(part, std::string("does not exist: the model has ")
                              .append(std::to_string(config.n_layers))
                              .append(" layers")
                              .c_str());
  if (node.kind != Kind::head && !config.has_mlp()) return bad_node(part, "does not exist: the model has no MLPs");
  const bool head = node.kind == Kind::head;
  const std::int64_t count = head ? config.n_heads : config.d_mlp;
  if (node.kind == Kind::mlp || node.index < count) return {};
  return bad_node(part, std::string("does not exist: its layer has ")
                            .append(std::to_string(count))
                            .append(head ? " heads" : " neurons")
                            .c_str());
}

void add_layer(int layer, const ModelConfig& config, AblationNodes& nodes) {
  for (std::int64_t head = 0; head < config.n_heads; ++head)
    nodes.push_back({Kind::head, layer, head});
  if (config.has_mlp()) nodes.push_back({Kind::mlp, layer, 0});
}

// Sorts the nodes, keeps each once, and drops neurons whose MLP is there.
AblationNodes tidied(AblationNodes nodes) {
  std::sort(nodes.begin(), nodes.end());
  nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
  const std::set<AblationNode> all(nodes.begin(), nodes.end());
  std::erase_if(nodes, [&](const AblationNode& node) {
    return node.kind == Kind::neuron && all.count({Kind::mlp, node.layer, 0}) != 0;
  });
  return nodes;
}

HookSite site_of(const AblationNode& node) {
  switch (node.kind) {
  case Kind::head: return {HookPoint::z, node.layer};
  case Kind::mlp: return {HookPoint::mlp_out, node.layer};
  case Kind::neuron: break;
  }
  return {HookPoint::mlp_post, node.layer};
}

// Groups heads and neurons by site; an MLP's output has no indices.
std::map<HookSite, std::vector<std::int64_t>> by_site(const AblationNodes& nodes) {
  std::map<HookSite, std::vector<std::int64_t>> sites;
  for (const AblationNode& node : nodes) {
    std::vector<std::int64_t>& indices = sites[site_of(node)];
    if (node.kind != Kind::mlp) indices.push_back(node.index);
  }
  return sites;
}

std::vector<HookSite> sites_of(const std::vector<AblationNodes>& sets) {
  std::set<HookSite> sites;
  for (const AblationNodes& set : sets)
    for (const AblationNode& node : set)
      sites.insert(site_of(node));
  return {sites.begin(), sites.end()};
}

Status check_sets(const std::vector<AblationNodes>& sets, AblationMethod method, const ModelConfig& config) {
  for (const AblationNodes& set : sets)
    for (const AblationNode& node : set) {
      HS_TRY(check_node(node_name(node), node, config));
      if (method == AblationMethod::uniform && node.kind != Kind::head)
        return make_error(ErrorCode::invalid_argument,
                          std::string("uniform is of attention: ")
                              .append(node_name(node))
                              .append(" has none and would be ablated too; take zero, mean or resample"),
                          {}, "method");
    }
  return {};
}

// Loops over chunks of prompts outside and sets inside, so that each chunk's donors are run once.
class JointSweep {
public:
  JointSweep(const Engine& engine, const std::vector<AblationNodes>& sets, const AblationPlan& plan,
             const HeadAblationOptions& options, const RunControl& control, JointAblationResult& result)
      : engine_(engine), sets_(sets), plan_(plan), options_(options), control_(control), result_(result) {}

  Status run() {
    HS_ASSIGN(JointReplacement source,
              JointReplacement::prepare(engine_, plan_.prompts, options_, sites_of(sets_), control_));
    result_.donors = source.donors();
    HS_ASSIGN(result_.replaced,
              replaced_shares(plan_.prompts, reference_rows(options_, plan_.prompts), result_.donors, options_.phase));
    for (const auto& chunk : chunk_rows(plan_.prompts, 1, tokens_per_run(options_.tokens_per_run, engine_), false)) {
      HS_TRY(source.begin_chunk(chunk));
      HS_TRY(measure_clean(chunk));
      for (std::size_t set = 0; set < sets_.size(); ++set)
        HS_TRY(measure(chunk, source, set));
    }
    return {};
  }

private:
  Status measure_clean(const std::vector<std::int64_t>& chunk) {
    rows_ = select_rows(plan_.prompts, chunk);
    HS_ASSIGN(const at::Tensor logits, last_logits(engine_, rows_, control_.cancel));
    judge_ = {options_.metric, {}, {}};
    slots_.clear();
    for (const std::int64_t prompt : chunk) {
      slots_.push_back(std::ssize(slots_));
      judge_.answers.push_back(plan_.answers[static_cast<std::size_t>(prompt)]);
    }
    if (needs_reference(options_.metric)) judge_.reference = logits;
    HS_ASSIGN(const std::vector<double> values, judge_.values(logits, slots_));
    for (std::size_t i = 0; i < chunk.size(); ++i) // a divergence compares the row with itself: exactly 0
      result_.clean[static_cast<std::size_t>(chunk[i])] = needs_reference(options_.metric) ? 0.0 : values[i];
    return {};
  }

  Status measure(const std::vector<std::int64_t>& chunk, const JointReplacement& source, std::size_t set) {
    RunRequest request;
    request.batch = TokenBatch::pad(rows_, TokenBatch::Side::right);
    request.until = LogitRows::last;
    request.split_matmul = true;
    request.cancel = control_.cancel;
    for (const auto& [site, indices] : by_site(sets_[set])) {
      if (options_.method == AblationMethod::uniform)
        source.add_uniform(site.layer, indices, request.interventions);
      else
        request.hooks.push_back(source.hook(site, indices));
    }
    HS_ASSIGN(const RunResult run, engine_.run(request));
    HS_ASSIGN(const std::vector<double> values, judge_.values(run.logits, slots_));
    for (std::size_t i = 0; i < chunk.size(); ++i)
      result_.ablated[result_.index(set, static_cast<std::size_t>(chunk[i]))] = values[i];
    done_ += std::ssize(chunk);
    control_.report("ablating together", done_, result_.n_prompts * std::ssize(sets_));
    return {};
  }

  const Engine& engine_;
  const std::vector<AblationNodes>& sets_;
  const AblationPlan& plan_;
  const HeadAblationOptions& options_;
  const RunControl& control_;
  JointAblationResult& result_;
  TokenRows rows_;                  // of the chunk
  std::vector<std::int64_t> slots_; // 0, 1, ...
  Judge judge_;
  std::int64_t done_ = 0;
};

} // namespace

std::string node_name(const AblationNode& node) {
  std::string name(node.kind == Kind::head ? "a" : "m");
  name.append(std::to_string(node.layer));
  if (node.kind == Kind::mlp) return name;
  return name.append(node.kind == Kind::head ? ".h" : ".n").append(std::to_string(node.index));
}

Result<AblationNodes> parse_nodes(const std::string& text, const ModelConfig& config) {
  AblationNodes nodes;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view part = std::string_view(text).substr(begin, end - begin);
    HS_ASSIGN(const AblationNode node, read_node(part));
    HS_TRY(check_node(part, node, config));
    if (node.index < 0)
      add_layer(node.layer, config, nodes);
    else
      nodes.push_back(node);
    begin = end + 1;
  }
  return tidied(std::move(nodes));
}

AblationNodes all_nodes_but(const AblationNodes& kept, const ModelConfig& config) {
  const std::set<AblationNode> stay(kept.begin(), kept.end());
  std::set<int> partly; // layers with neurons that stay
  for (const AblationNode& node : kept)
    if (node.kind == Kind::neuron) partly.insert(node.layer);
  AblationNodes out;
  for (int layer = 0; layer < config.n_layers; ++layer) {
    AblationNodes all;
    add_layer(layer, config, all);
    if (partly.count(layer)) {
      all.pop_back();
      if (!stay.count({Kind::mlp, layer, 0}))
        for (std::int64_t neuron = 0; neuron < config.d_mlp; ++neuron)
          all.push_back({Kind::neuron, layer, neuron});
    }
    for (const AblationNode& node : all)
      if (!stay.count(node)) out.push_back(node);
  }
  return tidied(std::move(out));
}

AblationNodes nodes_without(const AblationNodes& nodes, const AblationNodes& left_out) {
  AblationNodes out;
  for (const AblationNode& node : nodes)
    if (std::find(left_out.begin(), left_out.end(), node) == left_out.end()) out.push_back(node);
  return out;
}

double JointAblationResult::mean_clean() const { return mean_over_first_axis(clean, n_prompts, 1).front(); }

double JointAblationResult::mean_ablated(std::size_t set) const {
  const auto at = [&](std::size_t each) { return ablated.begin() + static_cast<std::ptrdiff_t>(index(each, 0)); };
  return mean_over_first_axis({at(set), at(set + 1)}, n_prompts, 1).front();
}

Result<JointAblationResult> ablate_together(const Engine& engine, const std::vector<AblationPrompt>& prompts,
                                            const std::vector<AblationNodes>& sets, const HeadAblationOptions& options,
                                            const RunControl& control) {
  HS_TRY(check_sets(sets, options.method, engine.config()));
  HeadAblationOptions checked = options;
  checked.heads.clear();
  HS_ASSIGN(const AblationPlan plan, plan_ablation(engine, prompts, checked));
  return guarded("ablating together", [&]() -> Result<JointAblationResult> {
    JointAblationResult result;
    result.n_prompts = std::ssize(prompts);
    const double unmeasured = std::numeric_limits<double>::quiet_NaN();
    result.clean.assign(prompts.size(), unmeasured);
    result.ablated.assign(prompts.size() * sets.size(), unmeasured);
    const Status status = JointSweep(engine, sets, plan, checked, control, result).run();
    if (!status.ok() && !was_cancelled(status.error())) return status.error();
    result.complete = status.ok();
    return result;
  });
}

std::vector<AblationNodes> completeness_subsets(const AblationNodes& circuit, std::int64_t random, std::uint64_t seed) {
  std::vector<AblationNodes> subsets = {{}};
  for (const AblationNode& node : circuit)
    subsets.push_back({node});
  Random drawn(seed);
  for (std::int64_t i = 0; i < random && !circuit.empty(); ++i) {
    AblationNodes subset;
    while (subset.empty())
      for (const AblationNode& node : circuit)
        if (drawn.below(2) == 0) subset.push_back(node);
    subsets.push_back(std::move(subset));
  }
  return subsets;
}

double CompletenessRow::difference() const { return std::abs(circuit_without - model_without); }

Result<Completeness> circuit_completeness(const Engine& engine, const std::vector<AblationPrompt>& prompts,
                                          const AblationNodes& circuit, const std::vector<AblationNodes>& subsets,
                                          const HeadAblationOptions& options, const RunControl& control) {
  std::vector<AblationNodes> sets;
  for (const AblationNodes& left_out : subsets) {
    sets.push_back(all_nodes_but(nodes_without(circuit, left_out), engine.config()));
    sets.push_back(left_out);
  }
  Completeness out;
  HS_ASSIGN(out.measured, ablate_together(engine, prompts, sets, options, control));
  for (std::size_t i = 0; i < subsets.size(); ++i)
    out.rows.push_back({subsets[i], out.measured.mean_ablated(2 * i), out.measured.mean_ablated(2 * i + 1)});
  return out;
}

} // namespace headscope
