// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/result_figures/result_figures.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iterator>

namespace headscope {

std::string frames_text(std::size_t heads, std::optional<double> threshold) {
  if (heads == 0) return {};
  std::string text = "framed: ";
  if (heads > most_framed) text += "the " + std::to_string(most_framed) + " strongest of ";
  text += std::to_string(heads) + (heads == 1 ? " head" : " heads");
  if (!threshold) return text;
  char number[32];
  std::snprintf(number, sizeof number, "%.3g", *threshold);
  return text + " at or above " + number;
}

std::string result_part_names() {
  std::string names;
  for (const ResultPart& part : result_parts())
    names += std::string(part.name) + ", ";
  return names.substr(0, names.size() - 2) + " or all";
}

Result<std::vector<const ResultPart*>> parse_result_parts(const std::string& names) {
  std::vector<const ResultPart*> parts;
  std::string_view rest = names;
  while (true) {
    const std::string name(rest.substr(0, rest.find(',')));
    const ResultPart* part = find_result_part(name);
    if (part == nullptr && name != "all")
      return make_error(ErrorCode::invalid_argument, "must be " + result_part_names() + ", not '" + name + "'", {},
                        "--what");
    for (const ResultPart& each : result_parts())
      if ((part == nullptr || part == &each) && std::find(parts.begin(), parts.end(), &each) == parts.end())
        parts.push_back(&each);
    if (rest.size() == name.size()) return parts;
    rest.remove_prefix(name.size() + 1);
  }
}

Result<ResultItems> list_items(const store::ResultReader& reader, const std::vector<const ResultPart*>& parts) {
  ResultItems items;
  for (const ResultPart* part : parts) {
    HS_ASSIGN(ResultItems found, part->list(*part, reader));
    std::move(found.begin(), found.end(), std::back_inserter(items));
  }
  return items;
}

Result<ResultFigure> figure_of(const store::ResultReader& reader, const ResultItem& item) {
  return item.part->figure(reader, item);
}

figures::Provenance provenance_of(const store::ResultReader& reader, const std::string& file, const ResultItem& item) {
  figures::Provenance provenance;
  if (const auto model = reader.model(); model.ok()) {
    provenance.add("model", store::text_attribute(*model, "name"));
    provenance.add("model_sha256", store::text_attribute(*model, "sha256"));
    provenance.add("dtype", store::text_attribute(*model, "dtype"));
    provenance.add("device", store::text_attribute(*model, "device"));
  }
  const store::FileInfo& info = reader.info();
  provenance.add("item", item.name);
  provenance.add("result_file", std::filesystem::path(file).filename().string());
  provenance.add("created", info.created);
  provenance.add("complete", info.complete ? "true" : "false");
  provenance.add("command", info.provenance.command_line);
  provenance.add("headscope_version", info.provenance.headscope_version);
  provenance.add("libtorch_version", info.provenance.libtorch_version);
  return provenance;
}

} // namespace headscope
