// SPDX-License-Identifier: GPL-3.0-or-later
// Prompts to begin with, each of which makes known kinds of heads work.
#pragma once

#include <vector>

#include <QString>

namespace headscope::gui {

struct PromptExample {
  QString id; // "induction"
  QString name;
  QString what; // what to look for
  QString text;
};

const std::vector<PromptExample>& prompt_examples();
const PromptExample& prompt_example(const QString& id); // the first when there is none of that id

} // namespace headscope::gui
