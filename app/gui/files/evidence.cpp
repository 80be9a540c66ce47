// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/files/evidence.h"

#include "app/gui/files/file_state.h"

namespace headscope::gui {

Result<DetectorResult> read_evidence(FileState& state, const std::string& path, const std::string& detector,
                                     const RunControl& control) {
  HS_ASSIGN(const store::ResultReader* reader, state.reader(path));
  HS_ASSIGN(store::DetectorScores scores, reader->scores(detector));
  DetectorResult result;
  result.n_layers = scores.n_layers;
  result.n_heads = scores.n_heads;
  result.scores = std::move(scores.scores);
  result.units = scores.units;
  result.description = scores.description;
  result.threshold = scores.threshold.value_or(0.0);
  result.heads = std::move(scores.heads);
  result.findings = std::move(scores.attributes);
  const std::string group = "/detectors/" + detector + "/evidence";
  HS_ASSIGN(const auto names, reader->list(group));
  for (const std::string& name : names)
    if (auto table = reader->table(group + "/" + name); table.ok()) result.tables.push_back({name, std::move(*table)});
  HS_ASSIGN(const auto prompts, reader->list("/prompts"));
  for (const std::string& id : prompts) {
    if (control.cancel.cancelled()) return make_error(ErrorCode::cancelled, "cancelled");
    if (id.rfind(detector + "-", 0) != 0) continue;
    HS_ASSIGN(store::Prompt prompt, reader->prompt(id));
    result.prompts.push_back(std::move(prompt));
  }
  return result;
}

} // namespace headscope::gui
