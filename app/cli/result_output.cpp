// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/result_output.h"

#include "app/cli/progress.h"

namespace headscope::cli {

void add_output_options(CLI::App& command, OutputOptions& options, bool required) {
  auto* out = command.add_option("--out,-o", options.path, "The HDF5 result file to write");
  if (required) out->required();
  command.add_flag("--force", options.force, "Replace an existing file");
}

Result<std::optional<store::ResultWriter>> open_output(const OutputOptions& options, const Console& console,
                                                       const std::vector<std::int64_t>& seeds) {
  if (options.path.empty()) return std::optional<store::ResultWriter>{};
  store::ResultOptions how;
  how.overwrite = options.force;
  how.provenance = {headscope_version(), libtorch_version(), console.command_line, seeds};
  HS_ASSIGN(store::ResultWriter writer, store::ResultWriter::create(options.path, how));
  return std::optional<store::ResultWriter>(std::move(writer));
}

Status store_model(store::ResultWriter& writer, const Model& model, const ModelOptions& options) {
  return headscope::store_model(writer, model, option_attributes(options));
}

Status finish_output(std::optional<store::ResultWriter>& writer, const OutputOptions& options, const Console& console,
                     bool complete) {
  finish_progress();
  if (writer) {
    HS_TRY(writer->commit(complete));
    console.note((complete ? "wrote " : "wrote what was done until the interruption to ") + options.path);
  }
  if (!complete) return make_error(ErrorCode::cancelled, "interrupted");
  return {};
}

} // namespace headscope::cli
