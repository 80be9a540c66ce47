// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/window/prompt_examples.h"

#include <algorithm>

#include <QCoreApplication>

namespace headscope::gui {
namespace {

QString tr(const char* text) { return QCoreApplication::translate("PromptExamples", text); }

} // namespace

const std::vector<PromptExample>& prompt_examples() {
  static const std::vector<PromptExample> examples = {
      {QStringLiteral("ioi"), tr("Indirect object (IOI)"),
       tr("The next token is the name that stands only once: name mover heads attend to it from the last token"),
       QStringLiteral("When Mary and John went to the store, John gave a drink to")},
      {QStringLiteral("induction"), tr("Induction"),
       tr("Words in no order, twice: induction heads attend from a word to what followed it the first time"),
       QStringLiteral("river lamp seven chair music stone paper green window bread river lamp seven chair music stone "
                      "paper green window")},
      {QStringLiteral("retrieval"), tr("Retrieval"),
       tr("A sentence among others holds the answer: retrieval heads attend to it from the end"),
       QStringLiteral("The harbour was quiet that morning. Two boats had left before dawn, and nobody had seen them "
                      "return. The pass word of the harbour office is amber. Gulls sat on the wall, and the wind came "
                      "from the west. A clerk swept the steps and watched the water.\n"
                      "Question: What is the pass word of the harbour office?\n"
                      "Answer: The pass word of the harbour office is")}};
  return examples;
}

const PromptExample& prompt_example(const QString& id) {
  const auto& all = prompt_examples();
  const auto found = std::find_if(all.begin(), all.end(), [&](const PromptExample& e) { return e.id == id; });
  return found == all.end() ? all.front() : *found;
}

} // namespace headscope::gui
