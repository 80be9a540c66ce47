// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/traits/traits.h"

#include "app/methods/base/values.h"
#include "app/methods/inputs/text_input.h"
#include "app/runs/result_parts.h"
#include "core/mechanisms/traits.h"

namespace headscope::methods {
namespace {

using mechanisms::HeadTraits;

// A number of every head: how it is called and what it is.
struct Trait {
  const char* name;
  const char* units;
  const char* what;
  std::vector<double> HeadTraits::*values;
  int digits; // in the table
};
constexpr Trait traits[] = {
    {"state_rank", "1", "least state of a linear recurrence with these weights", &HeadTraits::state_rank, 0},
    {"decay", "1", "gamma of the decay by distance that is nearest", &HeadTraits::decay, 3},
    {"decay_r2", "1", "share of the mean weight by distance that this decay explains", &HeadTraits::decay_r2, 2},
    {"query_r2", "1", "share of z's variance that the head's mean query explains", &HeadTraits::query_r2, 2},
    {"score_rank", "1", "least rank of scores that keeps z", &HeadTraits::score_rank, 0},
    {"keys", "token", "keys that hold the weight", &HeadTraits::keys, 1}};

class Traits : public Method {
public:
  const MethodInfo& info() const override {
    static const MethodInfo info = {.id = "traits",
                                    .summary = "Measure what each head's attention on a text could be replaced by",
                                    .example = "headscope traits --model smollm2 --text-file LICENSE --length 256",
                                    .since = "0.2"};
    return info;
  }

  void inputs(OptionList& list) override { input_.list(list); }
  store::Attributes recorded_inputs() const override { return input_.recorded(); }

  void options(OptionList& list) override {
    list.add("length", length_, "First tokens of the text").in("token").from("0.2").at_least(8);
    list.add("skip", how_.skip, "First queries that are left out, but for the state's rank")
        .in("token")
        .from("0.2")
        .at_least(0);
    list.add("tolerance", how_.tolerance, "Singular values below this share of the largest do not count as state")
        .from("0.2")
        .between(0, 1);
    list.add("keep", how_.keep, "Share of z that a rank keeps, and of the weight that keys hold")
        .from("0.2")
        .between(0, 1);
    list.add("theta", how_.theta, "Size of the memory's steps, with keys of length 1").from("0.2").between(0, 1);
  }

  Status check_inputs() override { return input_.read(); }

  Result<Report> run(const Work& work) override {
    const Model& model = work.engine.model();
    HS_ASSIGN(std::vector<std::int64_t> ids, input_.encode(model, input_.text));
    ids.resize(static_cast<std::size_t>(std::min(std::ssize(ids), length_)));
    if (std::ssize(ids) < how_.skip + 8)
      return make_error(ErrorCode::invalid_argument, "has only " + std::to_string(ids.size()) + " tokens", input_.file,
                        "--text-file");
    HS_TRY(work.engine.check_length(std::ssize(ids), "the text", "--length"));
    auto found = mechanisms::measure_traits(work.engine, ids, how_, work.context.control());
    work.context.finish_progress();
    if (!found.ok()) return found.error();
    if (work.writer) {
      HS_TRY(work.writer->add_prompt(prompt_of(model, "text", ids)));
      HS_TRY(store(*work.writer, *found, model.config, std::ssize(ids)));
    }
    return report(*found, model.config, std::ssize(ids));
  }

private:
  static Status store(store::ResultWriter& writer, const HeadTraits& found, const ModelConfig& config,
                      std::int64_t tokens) {
    HS_TRY(writer.set_attributes("/traits", {{"tokens", tokens}}));
    store::ArraySpec spec;
    spec.dtype = store::DType::float64;
    spec.axes = {{"layer", {}}, {"head", {}}};
    spec.shape = {config.n_layers, config.n_heads};
    for (const Trait& trait : traits) {
      spec.units = trait.units;
      spec.long_name = trait.what;
      HS_TRY(
          writer.add_array(std::string("/traits/") + trait.name, spec, std::span<const double>(found.*trait.values)));
    }
    spec.shape.push_back(tokens);
    spec.axes.push_back({"pos", {}});
    spec.units = "1";
    spec.long_name = "norm of the gradient of a memory that learns v from k, before it learns the token";
    HS_TRY(writer.add_array("/traits/surprise", spec, std::span<const double>(found.surprise)));
    spec.axes.back() = {"distance", {}};
    spec.long_name = "cosine of what the memory recalls by k at the end of the text and v, by distance from the end";
    return writer.add_array("/traits/recall", spec, std::span<const double>(found.recall));
  }

  static Report report(const HeadTraits& found, const ModelConfig& config, std::int64_t tokens) {
    const auto layers = static_cast<std::size_t>(config.n_layers), heads = static_cast<std::size_t>(config.n_heads);
    nlohmann::json json = {{"tokens", tokens}};
    std::vector<std::vector<std::string>> lines = {{"head"}};
    for (const Trait& trait : traits) {
      json[trait.name] = matrix(found.*trait.values, layers, heads);
      lines.front().emplace_back(trait.name);
    }
    nlohmann::json surprise = nlohmann::json::array(); // mean over heads
    for (std::int64_t pos = 0; pos < tokens; ++pos) {
      double sum = 0.0;
      for (std::size_t head = 0; head < layers * heads; ++head)
        sum += found.surprise[head * static_cast<std::size_t>(tokens) + static_cast<std::size_t>(pos)];
      surprise.push_back(number(sum / static_cast<double>(layers * heads)));
    }
    json["mean_surprise"] = surprise;
    for (std::size_t i = 0; i < layers * heads; ++i) {
      lines.push_back({std::to_string(i / heads) + "." + std::to_string(i % heads)});
      for (const Trait& trait : traits)
        lines.back().push_back(fixed((found.*trait.values)[i], trait.digits));
    }
    return Report{json, aligned(lines)};
  }

  TextInput input_;
  std::int64_t length_ = 256;
  mechanisms::TraitOptions how_;
};

} // namespace

std::unique_ptr<Method> make_traits() { return std::make_unique<Traits>(); }

} // namespace headscope::methods
