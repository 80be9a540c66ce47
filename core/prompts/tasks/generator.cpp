// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/prompts/tasks/generator.h"

#include <algorithm>

namespace headscope::tasks {

std::string fill(std::string text, std::initializer_list<std::pair<const char*, std::string>> slots) {
  for (const auto& [name, value] : slots) {
    const std::string slot = std::string("{") + name + "}";
    for (auto at = text.find(slot); at != std::string::npos; at = text.find(slot, at + value.size()))
      text.replace(at, slot.size(), value);
  }
  return text;
}

const std::string& pick_other(Random& random, const Words& words, const Words& than) {
  for (;;) {
    const std::string& word = random.pick(words);
    if (std::find(than.begin(), than.end(), word) == than.end()) return word;
  }
}

Words pick_different(Random& random, const Words& words, std::size_t count) {
  Words out;
  while (out.size() < count)
    out.push_back(pick_other(random, words, out));
  return out;
}

} // namespace headscope::tasks
