// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugins/host/mechanism_guard.h"

#include <algorithm>
#include <set>

#include <ATen/ATen.h>

#include "plugins/host/manifest.h"
#include "plugins/host/walled.h"

namespace headscope::plugin {
namespace {

using namespace mechanisms;

// Who is named in errors, and what its tiles must be.
struct Author {
  std::string id, module;
  Weights weights = Weights::softmax;

  std::string doing(const std::string& what) const { return "the mechanism " + id + " of " + module + ": " + what; }
  [[noreturn]] void blame(const std::string& fault) const {
    throw ErrorException(make_error(ErrorCode::mismatch, "the mechanism " + id + " " + fault, module));
  }
};

std::string sizes_text(const at::Tensor& x) {
  std::string text;
  for (const std::int64_t size : x.sizes())
    text += (text.empty() ? "" : " x ") + std::to_string(size);
  return text.empty() ? "nothing" : text;
}

// Where q, k or v of the model are not finite, neither is what a mechanism makes of them.
bool finite_input(const Text& text) {
  for (const at::Tensor* x : {&text.q, &text.k, &text.v})
    if (!at::isfinite(*x).all().item<bool>()) return false;
  return true;
}

// ---- Tiles

std::string fault_of_keys(const Tile& tile, const Text& text) {
  if (tile.index.defined()) {
    const at::Tensor& index = tile.index;
    if (index.scalar_type() != at::kLong || index.dim() != 2 || index.size(0) != text.heads())
      return "has a tile whose index is no int64 [head, key]";
    if (index.numel() > 0 && (index.min().item<std::int64_t>() < 0 || index.max().item<std::int64_t>() >= text.keys()))
      return "has a tile with keys outside the text";
    return {};
  }
  std::int64_t behind = 0;
  for (const Range& range : tile.keys) {
    if (range.begin < behind || range.end < range.begin || range.end > text.keys())
      return "has a tile whose key ranges overlap, are not ascending or lie outside the text";
    behind = range.end;
  }
  return {};
}

std::string fault_of_shape(const Tile& tile, const Text& text, Range queries, Weights weights) {
  if (std::string fault = fault_of_keys(tile, text); !fault.empty()) return fault;
  std::int64_t keys = tile.index.defined() ? tile.index.size(1) : 0;
  for (const Range& range : tile.keys)
    keys += tile.index.defined() ? 0 : range.count();
  const std::vector<std::int64_t> wanted = {text.heads(), queries.count(), keys};
  if (!tile.scores.defined() || tile.scores.sizes() != at::IntArrayRef(wanted))
    return "has a tile of scores " + (tile.scores.defined() ? sizes_text(tile.scores) : "undefined") +
           ", which must be [head, query, key] = " + sizes_text(at::empty(wanted, at::kMeta));
  if (tile.scores.scalar_type() != at::kFloat || tile.scores.device() != text.q.device())
    return "has a tile of scores that are no float32 on the device of q";
  if (weights == Weights::softmax && (tile.are_weights || tile.gate))
    return "says that its pattern is a softmax of scores, and gives weights or a gate";
  return {};
}

// The positions of a tile's keys: [1 or head, 1, key].
at::Tensor positions_of_keys(const Tile& tile, const Text& text) {
  return tile.index.defined() ? tile.index.unsqueeze(1) : key_positions(text, tile.keys).unsqueeze(0);
}

// What is wrong with the numbers of a tile, asked of the device once.
std::string fault_of_values(const Tile& tile, const Text& text, Range queries, Weights weights) {
  const at::Tensor scores = tile.scores.detach();
  const at::Tensor visited = tile.are_weights ? scores != 0.0 : scores != not_visited;
  const at::Tensor wrong =
      tile.are_weights ? at::isfinite(scores).logical_not() : scores.isnan().logical_or(scores == -not_visited);
  const at::Tensor later = positions_of_keys(tile, text) > query_positions(text, queries).unsqueeze(0);
  const at::Tensor none = tile.are_weights ? at::zeros({1}, visited.options()) : visited.any(-1).logical_not();
  const at::Tensor below = tile.are_weights && weights == Weights::positive ? scores < 0.0 : none;
  const at::Tensor found =
      at::stack({wrong.any(), none.any(), visited.logical_and(later).any(), below.any()}).to(at::kCPU);
  const bool* is = found.const_data_ptr<bool>();
  if (is[0]) return "gives scores or weights that are NaN or infinite";
  if (is[2]) return "attends to keys behind their query";
  if (is[1]) return "leaves a query without any key";
  if (is[3]) return "says that its weights are positive, and gives some below zero";
  return {};
}

// ---- The wrappers

class GuardedMechanism : public Mechanism {
public:
  GuardedMechanism(std::shared_ptr<const Mechanism> inner, Author author)
      : inner_(std::move(inner)), author_(std::move(author)), before_rotary_(inner_->before_rotary()),
        reach_(inner_->reach()) {}

  bool before_rotary() const override { return before_rotary_; }
  std::optional<std::int64_t> reach() const override { return reach_; }

  Status fits(const ModelConfig& config) const override {
    return walled(author_.doing("fits"), [&] { return inner_->fits(config); });
  }

  void prepare(Text& text) const override {
    const at::Tensor q = text.q, k = text.k, v = text.v;
    walled_call(author_.doing("prepare"), [&] { inner_->prepare(text); });
    for (const auto& [before, now] : {std::pair{&q, &text.q}, std::pair{&k, &text.k}, std::pair{&v, &text.v}})
      if (!now->defined() || now->sizes() != before->sizes() || now->scalar_type() != before->scalar_type())
        author_.blame("prepares q, k or v of another shape or type");
    if (!text.own_values && !text.v.is_same(v)) author_.blame("prepares v without setting own_values");
  }

  TileFunction open(const Text& text) const override {
    TileFunction tile = walled_call(author_.doing("open"), [&] { return inner_->open(text); });
    if (!tile) author_.blame("opens no tiles");
    return [this, &text, tile = std::move(tile)](Range queries) {
      Tile found = walled_call(author_.doing("a tile"), [&] { return tile(queries); });
      check(found, text, queries);
      if (found.gate) found.gate = guarded_gate(found.gate);
      return found;
    };
  }

  OutputFunction open_output(const Text& text) const override {
    OutputFunction output = walled_call(author_.doing("open_output"), [&] { return inner_->open_output(text); });
    if (!output) return nullptr;
    return [this, &text, output = std::move(output)](Range queries) {
      at::Tensor z = walled_call(author_.doing("its output"), [&] { return output(queries); });
      if (!z.defined()) return z;
      const std::vector<std::int64_t> wanted = {text.heads(), queries.count(), text.v.size(2)};
      if (z.sizes() != at::IntArrayRef(wanted) || z.scalar_type() != text.v.scalar_type() ||
          z.device() != text.v.device())
        author_.blame("gives z of the shape " + sizes_text(z) + "; it must be [head, query, d_head] of v's type");
      if (!at::isfinite(z).all().item<bool>() && finite_input(text)) author_.blame("gives z that is NaN or infinite");
      return z;
    };
  }

  Rows reference(const PlainHead& head) const override {
    return walled_call(author_.doing("reference"), [&] { return inner_->reference(head); });
  }
  std::vector<Rows> references(const std::vector<PlainHead>& heads) const override {
    return walled_call(author_.doing("references"), [&] { return inner_->references(heads); });
  }

private:
  void check(const Tile& tile, const Text& text, Range queries) const {
    std::string fault = fault_of_shape(tile, text, queries, author_.weights);
    if (!fault.empty()) author_.blame(fault);
    fault = fault_of_values(tile, text, queries, author_.weights);
    if (!fault.empty() && finite_input(text)) author_.blame(fault);
  }

  std::function<at::Tensor(const at::Tensor&)> guarded_gate(std::function<at::Tensor(const at::Tensor&)> gate) const {
    return [this, gate = std::move(gate)](const at::Tensor& z) {
      at::Tensor factors = walled_call(author_.doing("a gate"), [&] { return gate(z); });
      if (!factors.defined() || factors.sizes() != z.sizes().slice(0, 2))
        author_.blame("has a gate that is not [head, query]");
      return factors;
    };
  }

  std::shared_ptr<const Mechanism> inner_;
  Author author_;
  bool before_rotary_;
  std::optional<std::int64_t> reach_;
};

// ---- Definitions

std::string fault_of(const MechanismOption& option) {
  if (!option.name || !is_id(option.name)) return "is no name: lower-case letters, digits, - and _";
  if (!option.help) return "has no help";
  const bool text = option.kind() == OptionKind::text;
  if (option.is_file && !text) return "names a file and is no text";
  if (option.kind() == OptionKind::choice) {
    const auto* index = std::get_if<std::int64_t>(&option.value);
    if (std::find(option.choices.begin(), option.choices.end(), nullptr) != option.choices.end() || !index ||
        *index < 0 || *index >= std::ssize(option.choices))
      return "has a default that is none of its choices";
  } else if (!text) {
    const double standard = std::visit(
        [](const auto& value) -> double {
          if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::string>)
            return 0.0;
          else
            return static_cast<double>(value);
        },
        option.value);
    if (!(standard >= option.least && standard <= option.most)) return "has a default outside its bounds";
  }
  return {};
}

std::string fault_of(const MechanismDefinition& definition) {
  const MechanismInfo& info = definition.info;
  if (!info.id || !is_id(info.id))
    return std::string("has a mechanism of the id '") + (info.id ? info.id : "") +
           "'; an id is of lower-case letters, digits, - and _";
  const std::string of = std::string("its mechanism '") + info.id + "' ";
  for (const char* text : {info.title, info.what, info.cost, info.reference, info.equals_full, info.training})
    if (!text || !*text) return of + "must have all of title, what, cost, reference, equals_full and training";
  if (!definition.make) return of + "has no make";
  std::set<std::string> names;
  for (const MechanismOption& option : info.options) {
    const std::string name = option.name ? option.name : "";
    if (const std::string fault = fault_of(option); !fault.empty())
      return of + "has an option '" + name + "' that " + fault;
    if (!names.insert(name).second) return of + "has two options '" + name + "'";
  }
  return {};
}

Result<std::shared_ptr<const Mechanism>> make_guarded(const MechanismDefinition& definition, const Author& author,
                                                      const OptionValues& values) {
  using Made = Result<std::shared_ptr<const Mechanism>>;
  return walled(author.doing("make"), [&]() -> Made {
    HS_ASSIGN(std::shared_ptr<const Mechanism> made, definition.make(values));
    if (!made) return make_error(ErrorCode::unsupported, author.doing("make gives nothing"), author.module);
    return std::shared_ptr<const Mechanism>(std::make_shared<GuardedMechanism>(std::move(made), author));
  });
}

} // namespace

Result<SharedDefinition> guard(std::unique_ptr<MechanismDefinition> definition, const std::string& module) {
  return walled(module + ": reading a mechanism's description", [&]() -> Result<SharedDefinition> {
    if (const std::string fault = fault_of(*definition); !fault.empty())
      return make_error(ErrorCode::unsupported, fault, module);
    const std::shared_ptr<const MechanismDefinition> inner = std::move(definition);
    auto guarded_one = std::make_shared<MechanismDefinition>(*inner);
    const Author author{inner->info.id, module, inner->info.weights};
    guarded_one->module = module;
    guarded_one->make = [inner, author](const OptionValues& values) { return make_guarded(*inner, author, values); };
    return SharedDefinition(guarded_one);
  });
}

} // namespace headscope::plugin
