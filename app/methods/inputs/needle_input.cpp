// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/inputs/needle_input.h"

namespace headscope::methods {

void NeedleInput::list(OptionList& list) {
  list.add("needle", needle, "A fact that is put into the text, e.g. ' The pass key is 71432.'").from("0.2").prose();
  list.add("question", question, "What is asked at the end of the text, e.g. ' The pass key is'").from("0.2").prose();
  list.add("answer", answer, "The answer, of which the loss is measured, e.g. ' 71432'").from("0.2").prose();
  list.add("depths", depths, "Shares of the text before the needle").from("0.2").by_comma();
}

Status NeedleInput::check() const {
  if (needle.empty() != answer.empty() || question.empty() != answer.empty())
    return make_error(ErrorCode::invalid_argument, "belong together; one is missing", {},
                      "--needle, --question and --answer");
  for (const double depth : depths)
    if (!(depth >= 0.0 && depth <= 1.0))
      return make_error(ErrorCode::invalid_argument, "must be shares of 0 to 1", {}, "--depths");
  return {};
}

Result<NeedleTask> NeedleInput::encode(const Tokenizer& tokenizer, std::int64_t shortest_text) const {
  NeedleTask task;
  if (answer.empty()) return task;
  HS_ASSIGN(task.needle, tokenizer.encode(needle, {false, false}));
  HS_ASSIGN(task.question, tokenizer.encode(question, {false, false}));
  HS_ASSIGN(task.answer, tokenizer.encode(answer, {false, false}));
  task.depths = depths;
  if (task.answer.empty() || shortest_text <= task.size())
    return make_error(ErrorCode::invalid_argument,
                      "with question and answer has " + std::to_string(task.size()) +
                          " tokens, and the shortest text " + std::to_string(shortest_text),
                      {}, "--needle");
  return task;
}

} // namespace headscope::methods
