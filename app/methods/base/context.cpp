// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/base/context.h"

namespace headscope::methods {

void Context::note(const std::string& line) const {
  if (note_line) note_line(line);
}

void Context::warn(const std::string& line) const {
  finish_progress();
  if (warn_line) warn_line(line);
}

RunControl Context::control() const {
  RunControl control{cancel, progress};
  if (!progress || steps == 0) return control;
  std::string place("[");
  place.append(std::to_string(step)).append("/").append(std::to_string(steps)).append("] ");
  control.progress = [place, show = progress](const Progress& at) { show({place + at.stage, at.done, at.total}); };
  return control;
}

void Context::finish_progress() const {
  if (progress_ended) progress_ended();
}

Context Context::silent() const {
  Context quiet = *this;
  quiet.progress = nullptr;
  quiet.note_line = nullptr;
  return quiet;
}

} // namespace headscope::methods
