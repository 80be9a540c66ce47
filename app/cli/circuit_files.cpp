// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/circuit_files.h"

#include <cstdio>
#include <filesystem>

#include "app/cli/circuit_picture.h"
#include "app/methods/base/values.h"
#include "app/methods/circuit/circuit_read.h"
#include "core/base/partial_file.h"
#include "core/base/plain_text.h"
#include "core/circuits/export.h"
#include "core/store/result_file.h"

namespace headscope::cli {

namespace {

struct ExportOptions {
  std::string file, name, folder = ".";
  std::vector<std::string> formats = {"json"};
  bool force = false;
};

Status check_format(const std::string& name) {
  if (is_picture_format(name) || parse_graph_format(name).ok()) return {};
  return make_error(ErrorCode::invalid_argument, "must be json, dot, graphml, png, svg or pdf, not '" + name + "'", {},
                    "--format");
}

Status export_circuits(const ExportOptions& options, const Console& console) {
  for (const std::string& name : options.formats)
    HS_TRY(check_format(name));
  HS_ASSIGN(const auto circuits, read_circuits(options.file, options.name));
  std::error_code error;
  std::filesystem::create_directories(options.folder, error);
  if (error) return make_error(ErrorCode::io, error.message(), options.folder);
  std::vector<std::filesystem::path> paths;
  for (const ScoredCircuit& circuit : circuits)
    for (const std::string& format : options.formats) {
      paths.push_back(std::filesystem::path(options.folder) / (file_name_text(circuit.name) + "." + format));
      if (!options.force && std::filesystem::exists(paths.back()))
        return make_error(ErrorCode::already_exists, "already exists; --force replaces it", paths.back().string());
    }
  std::vector<CircuitPicture> pictures;
  nlohmann::json files = nlohmann::json::array();
  auto path = paths.begin();
  for (const ScoredCircuit& circuit : circuits)
    for (const std::string& name : options.formats) {
      files.push_back((path++)->string());
      if (is_picture_format(name)) {
        pictures.push_back({circuit.name, name, files.back().get<std::string>()});
        continue;
      }
      HS_ASSIGN(const GraphFormat format, parse_graph_format(name));
      HS_TRY(write_file(files.back().get<std::string>(), export_graph(circuit, format), options.force));
    }
  if (!pictures.empty()) HS_TRY(draw_circuits(options.file, pictures, options.force));
  if (console.json)
    console.print({{"files", files}});
  else
    for (const auto& file : files)
      std::printf("%s\n", plain_text(file.get<std::string>()).c_str());
  return {};
}

} // namespace

void add_circuit_export(CLI::App& circuit, Commands& commands) {
  CLI::App* command = add_command(circuit, commands, "export", "Draw circuits, or write them for other programs",
                                  "headscope circuit export circuit.h5 --format svg,dot,graphml,json --out figures");
  auto options = std::make_shared<ExportOptions>();
  command->add_option("FILE", options->file, "A result file with circuits")->required();
  command->add_option("--name", options->name, "Only the graph of this name");
  command
      ->add_option("--format", options->formats,
                   "json (cfg, nodes, edges as the MIB benchmark reads them), dot (Graphviz), graphml; png, svg, pdf")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--out,-o", options->folder, "The folder to write to")->capture_default_str();
  command->add_flag("--force", options->force, "Replace existing files");
  command->callback([&commands, options] {
    commands.chosen = [options](const Console& console) { return export_circuits(*options, console); };
  });
}

} // namespace headscope::cli
