// SPDX-License-Identifier: GPL-3.0-or-later
#include <cstdio>

#include "app/cli/command.h"
#include "app/methods/base/values.h"
#include "core/base/plain_text.h"
#include "core/store/result_file.h"

namespace headscope::cli {
namespace {

std::string value_text(const store::AttributeValue& value) {
  const nlohmann::json json = store::to_json(store::Attributes{{"v", value}});
  const std::string text = json["v"].dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (text.size() <= 100) return plain_text(text);
  std::size_t end = 97; // not within a character
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80)
    --end;
  return plain_text(text.substr(0, end)) + "…";
}

void print_node(const store::Node& node, const std::string& indent) {
  std::string line = indent + node.name;
  if (node.is_group) {
    if (node.name != "/") line += "/";
  } else {
    line += "  [";
    for (std::size_t i = 0; i < node.shape.size(); ++i)
      line += (i ? ", " : "") + (i < node.axes.size() && !node.axes[i].empty() ? node.axes[i] + " " : "") +
              std::to_string(node.shape[i]);
    line += std::string("] ") + store::to_string(node.dtype) + ", " + std::to_string(node.stored_bytes) + " bytes";
  }
  std::printf("%s\n", plain_text(line).c_str());
  for (const store::Attribute& attribute : node.attributes)
    std::printf("%s    %s = %s\n", indent.c_str(), plain_text(attribute.name).c_str(),
                value_text(attribute.value).c_str());
  for (const store::Node& child : node.children)
    print_node(child, indent + "  ");
}

Status run(const std::string& path, const Console& console) {
  if (path.empty()) return make_error(ErrorCode::invalid_argument, "names no file", {}, "FILE");
  HS_ASSIGN(const auto reader, store::ResultReader::open(path));
  HS_ASSIGN(const store::Node root, reader.tree());
  const bool checksums = reader.info().has_checksums;
  if (console.json) {
    nlohmann::json json = store::to_json(root);
    json["checksums"] = checksums;
    console.print(json);
    return {};
  }
  print_node(root, "");
  if (!checksums)
    console.note(
        "The file has no checksums: an older Headscope wrote it, or another program changed it. What was damaged "
        "in it since is not seen.");
  return {};
}

} // namespace

void add_inspect(CLI::App& app, Commands& commands) {
  CLI::App* command =
      add_command(app, commands, "inspect", "Show what a result file holds", "headscope inspect maps.h5");
  auto path = std::make_shared<std::string>();
  command->add_option("FILE", *path, "An HDF5 result file")->required();
  command->callback(
      [&commands, path] { commands.chosen = [path](const Console& console) { return run(*path, console); }; });
}

} // namespace headscope::cli
