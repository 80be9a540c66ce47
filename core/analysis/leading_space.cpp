// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/analysis/leading_space.h"

#include <algorithm>
#include <sstream>

#include <ATen/ATen.h>

#include "core/analysis/metric.h"
#include "core/model/guard.h"

namespace headscope {

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
  return guarded("comparing answers with and without a leading space", [&]() -> Result<std::string> {
    std::size_t likelier = 0;
    std::ostringstream example;
    std::size_t last = prompts.size();
    at::Tensor probabilities;
    for (const UnspacedAnswer& answer : answers) {
      if (answer.prompt != last) {
        HS_ASSIGN(const at::Tensor logits, last_logits(engine, {prompts[answer.prompt]}, cancel));
        probabilities = logits[0].to(at::kCPU, at::kDouble).softmax(-1);
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
  });
}

} // namespace headscope
