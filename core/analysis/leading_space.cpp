// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/analysis/leading_space.h"

#include <functional>
#include <optional>
#include <sstream>

#include <ATen/ATen.h>

#include "core/model/guard.h"
#include "core/scoring/metric.h"

namespace headscope {
namespace {

// Warns where the spaced form is more probable; `of` gives the probabilities [d_vocab] after a prompt.
Result<std::string> warning(const std::vector<UnspacedAnswer>& answers,
                            const std::function<Result<at::Tensor>(std::size_t prompt)>& of) {
  std::size_t likelier = 0;
  std::ostringstream example;
  std::optional<std::size_t> last;
  at::Tensor probabilities;
  for (const UnspacedAnswer& answer : answers) {
    if (answer.prompt != last) {
      HS_ASSIGN(probabilities, of(answer.prompt));
      last = answer.prompt;
    }
    const double given = probabilities[answer.given].item<double>(),
                 spaced = probabilities[answer.spaced].item<double>();
    if (spaced <= given) continue;
    example.precision(2);
    if (likelier++ == 0)
      example << "'" << answer.text << "' is measured as it was given, without a space before it, but after prompt "
              << answer.prompt << " the model expects ' " << answer.text << "': probability " << spaced << " against "
              << given << "; write ' " << answer.text << "' if that is meant";
  }
  if (likelier > 1) example << " (so " << likelier << " of " << answers.size() << " answers without a space)";
  return example.str();
}

at::Tensor probabilities_of(const at::Tensor& logits) { return logits.to(at::kCPU, at::kDouble).softmax(-1); }
constexpr const char* comparing = "comparing answers with and without a leading space";

} // namespace

void note_unspaced(const Tokenizer& tokenizer, std::size_t prompt, std::string_view text, std::int64_t given,
                   std::vector<UnspacedAnswer>& list) {
  if (text.empty() || text.front() == ' ' || text.front() == '\n' || text.front() == '\t') return;
  std::string with_space(1, ' ');
  with_space += text;
  const auto spaced = answer_token(tokenizer, with_space);
  if (spaced.ok() && *spaced != given) list.push_back({prompt, std::string(text), given, *spaced});
}

Result<std::string> leading_space_warning(const Engine& engine, const TokenRows& prompts,
                                          const std::vector<UnspacedAnswer>& answers, const CancelToken& cancel) {
  return guarded(comparing, [&] {
    return warning(answers, [&](std::size_t prompt) -> Result<at::Tensor> {
      HS_ASSIGN(const at::Tensor logits, last_logits(engine, {prompts[prompt]}, cancel));
      return probabilities_of(logits[0]);
    });
  });
}

Result<std::string> leading_space_warning(const at::Tensor& logits, const std::vector<UnspacedAnswer>& answers) {
  return guarded(comparing, [&] {
    return warning(answers, [&](std::size_t) -> Result<at::Tensor> { return probabilities_of(logits); });
  });
}

} // namespace headscope
