// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/logits/logits.h"

#include <ATen/ATen.h>

#include "app/methods/base/values.h"
#include "app/methods/inputs/model_options.h"
#include "core/engine/engine.h"
#include "core/engine/finite_logits.h"

namespace headscope::methods {
namespace {

// The logits after each of these positions, [position, d_vocab].
Result<at::Tensor> logits_at(const Engine& engine, const std::vector<std::int64_t>& ids,
                             const std::vector<std::int64_t>& positions, const Context& context) {
  RunRequest request;
  request.batch = TokenBatch::single(ids);
  request.cancel = context.cancel;
  const bool last = positions.size() == 1 && positions[0] + 1 == static_cast<std::int64_t>(ids.size());
  request.until = last ? LogitRows::last : LogitRows::all;
  HS_ASSIGN(const RunResult result, engine.run(request));
  HS_TRY(check_finite(result.logits, engine.model()));
  if (last) return result.logits.to(at::kCPU, at::kFloat);
  const at::Tensor rows = at::tensor(positions, at::kLong).to(result.logits.device());
  return result.logits[0].index_select(0, rows).to(at::kCPU, at::kFloat);
}

struct Candidate {
  std::int64_t id = 0;
  double logit = 0.0, probability = 0.0;
};

std::vector<Candidate> strongest(const at::Tensor& logits, std::int64_t most) {
  const auto [values, order] = logits.topk(std::min<std::int64_t>(most, logits.size(0)));
  const at::Tensor probabilities = logits.to(at::kDouble).softmax(0);
  std::vector<Candidate> list;
  for (std::int64_t i = 0; i < order.size(0); ++i) {
    const auto id = order[i].item<std::int64_t>();
    list.push_back({id, values[i].item<double>(), probabilities[id].item<double>()});
  }
  return list;
}

nlohmann::json to_json(const std::vector<Candidate>& list, const Tokenizer& tokenizer) {
  nlohmann::json top = nlohmann::json::array();
  for (const Candidate& token : list)
    top.push_back({{"id", token.id},
                   {"piece", tokenizer.piece(token.id)},
                   {"logit", number(token.logit)},
                   {"probability", number(token.probability)}});
  return top;
}

std::string table(const std::vector<Candidate>& list, const Tokenizer& tokenizer) {
  std::vector<std::vector<std::string>> lines = {{"logit", "probability", "id", "token"}};
  for (const Candidate& token : list)
    lines.push_back({fixed(token.logit, 4), fixed(token.probability, 4), std::to_string(token.id),
                     "|" + one_line(tokenizer.text(token.id)) + "|"});
  return aligned(lines);
}

class Logits : public Method {
public:
  const MethodInfo& info() const override {
    static const MethodInfo info = {.id = "logits",
                                    .summary = "Show the likeliest next tokens of a prompt",
                                    .example =
                                        "headscope logits --model smollm2 --prompt 'The capital of France is' --top 5",
                                    .output = Output::none};
    return info;
  }

  void inputs(OptionList& list) override { list_prompt_options(list, prompt_); }

  void options(OptionList& list) override {
    list.add("top", top_, "How many tokens").in("token").at_least(1);
    list.add("position", position_, "After this token of the prompt instead of the last; negative counts from the end");
    list.add("all", all_, "After every token of the prompt").excluding("position");
  }

  Status check_inputs() override {
    HS_ASSIGN(text_, one_prompt(prompt_));
    return {};
  }

  Result<Report> run(const Work& work) override {
    const Tokenizer& tokenizer = *work.engine.model().tokenizer;
    HS_ASSIGN(const auto ids, encode_prompt(work.engine, text_, prompt_));
    HS_ASSIGN(const auto positions, positions_of(static_cast<std::int64_t>(ids.size())));
    HS_ASSIGN(const at::Tensor logits, logits_at(work.engine, ids, positions, work.context));
    nlohmann::json list = nlohmann::json::array();
    std::string text;
    for (std::size_t i = 0; i < positions.size(); ++i) {
      const std::vector<Candidate> top = strongest(logits[static_cast<std::int64_t>(i)], top_);
      const std::int64_t id = ids[static_cast<std::size_t>(positions[i])];
      list.push_back(
          {{"position", positions[i]}, {"id", id}, {"piece", tokenizer.piece(id)}, {"top", to_json(top, tokenizer)}});
      if (all_)
        text += printed("%safter %lld |%s|\n", i ? "\n" : "", static_cast<long long>(positions[i]),
                        one_line(tokenizer.text(id)).c_str());
      text += table(top, tokenizer);
    }
    return Report{all_ ? nlohmann::json{{"positions", list}} : nlohmann::json{{"top", list[0]["top"]}}, text};
  }

private:
  // The positions asked for, from 0.
  Result<std::vector<std::int64_t>> positions_of(std::int64_t count) const {
    std::vector<std::int64_t> positions;
    for (std::int64_t i = 0; all_ && i < count; ++i)
      positions.push_back(i);
    if (all_) return positions;
    std::int64_t position = position_.value_or(-1);
    if (position < 0) position += count;
    if (position < 0 || position >= count)
      return make_error(ErrorCode::invalid_argument, "the prompt has positions 0 to " + std::to_string(count - 1), {},
                        "--position");
    return std::vector<std::int64_t>{position};
  }

  PromptOptions prompt_;
  std::string text_; // of the prompt
  std::int64_t top_ = 10;
  std::optional<std::int64_t> position_;
  bool all_ = false;
};

} // namespace

std::unique_ptr<Method> make_logits() { return std::make_unique<Logits>(); }

} // namespace headscope::methods
