// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugins/detectors/own_needles.h"

#include <algorithm>

#include "core/prompts/needle_file.h"

namespace headscope {

OptionSpec needle_file_option() {
  OptionSpec spec{"needle_file", std::string(),
                  "needles of your own: a .csv, .jsonl or .json file with needle, question and answer of each"};
  spec.file = true;
  return spec;
}

Result<ChosenNeedles> chosen_needles(const OptionSet& options, const std::string& id) {
  ChosenNeedles chosen;
  const std::string& path = options.text("needle_file");
  if (path.empty()) {
    chosen.needles = default_needles();
  } else {
    auto file = read_needle_file(path);
    if (!file.ok()) return at_option(file.error(), id + ".needle_file");
    chosen.needles = std::move(file->needles);
    chosen.findings = {{"needles_sha256", file->sha256}};
  }
  const auto most = static_cast<std::size_t>(options.integer("needles"));
  if (path.empty() || options.is_set("needles")) chosen.needles.resize(std::min(chosen.needles.size(), most));
  return chosen;
}

} // namespace headscope
