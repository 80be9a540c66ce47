// SPDX-License-Identifier: GPL-3.0-or-later
// Used in builds without Qt (-DHEADSCOPE_QT=OFF), so that the commands say what is missing.
#include "app/cli/circuit_picture.h"
#include "app/cli/command.h"
#include "app/cli/overlap_files.h"

namespace headscope::cli {
namespace {

Error no_qt() {
  return make_error(ErrorCode::unsupported,
                    "this build has no Qt and draws no figures; copy the result file to a machine whose build has");
}

} // namespace

bool is_picture_format(const std::string& format) { return format == "png" || format == "svg" || format == "pdf"; }

Status draw_circuits(const std::string&, const std::vector<CircuitPicture>&, bool) { return no_qt(); }

Result<std::vector<std::string>> write_overlaps(const CircuitOverlaps&, const OverlapTarget&) { return no_qt(); }

void add_export(CLI::App& app, Commands& commands) {
  CLI::App* command = add_command(app, commands, "export", "Draw what a result file holds (not in this build)",
                                  "headscope export maps.h5 --out figures");
  command->allow_extras();
  command->callback([&commands] { commands.chosen = [](const Console&) -> Status { return no_qt(); }; });
}

} // namespace headscope::cli
