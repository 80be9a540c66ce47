// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/base/output.h"

#include "app/runs/result_parts.h"

namespace headscope::methods {

Result<std::optional<store::ResultWriter>> open_output(const OutputOptions& options, const Context& context,
                                                       const std::vector<std::int64_t>& seeds) {
  if (options.path.empty()) return std::optional<store::ResultWriter>{};
  store::ResultOptions how;
  how.overwrite = options.force;
  how.provenance = {headscope_version(), libtorch_version(), context.command_line, seeds};
  HS_ASSIGN(store::ResultWriter writer, store::ResultWriter::create(options.path, how));
  return std::optional<store::ResultWriter>(std::move(writer));
}

Status finish_output(std::optional<store::ResultWriter>& writer, const OutputOptions& options, const Context& context,
                     bool complete) {
  context.finish_progress();
  if (writer) {
    HS_TRY(writer->commit(complete));
    context.note((complete ? "wrote " : "wrote what was done until the interruption to ") + options.path);
  }
  if (!complete) return make_error(ErrorCode::cancelled, "interrupted");
  return {};
}

} // namespace headscope::methods
