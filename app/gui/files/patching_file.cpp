// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/files/patching_file.h"

#include <cmath>

#include "app/gui/files/file_state.h"

namespace headscope::gui {
namespace {

// Replaces the vocabulary's stand-ins for space and new line.
std::string readable(std::string piece) {
  for (const auto& [from, to] :
       {std::pair<std::string, std::string>{"\xC4\xA0", " "}, {"\xE2\x96\x81", " "}, {"\xC4\x8A", "\n"}})
    for (std::size_t at = piece.find(from); at != std::string::npos; at = piece.find(from, at + to.size()))
      piece.replace(at, from.size(), to);
  return piece;
}

// Makes one token for each position; where the file has another number of tokens (several pairs), uses the positions'
// numbers.
std::vector<TokenInfo> tokens_of(std::vector<std::string> pieces, const store::PatchingSpec& spec) {
  if (spec.axes[1] == "position" && std::ssize(pieces) != spec.shape[1]) {
    pieces.clear();
    for (std::int64_t i = 0; i < spec.shape[1]; ++i)
      pieces.push_back(std::to_string(i));
  }
  std::vector<TokenInfo> tokens;
  for (const std::string& piece : pieces)
    tokens.push_back({-1, piece, readable(piece), false});
  return tokens;
}

// From each `n` consecutive numbers takes the one farthest from 0.
std::vector<float> strongest_of(const std::vector<float>& values, std::size_t n) {
  std::vector<float> out;
  for (std::size_t i = 0; i + n <= values.size(); i += n) {
    float best = values[i];
    for (std::size_t j = i + 1; j < i + n; ++j)
      if (std::isnan(best) || std::abs(values[j]) > std::abs(best)) best = values[j];
    out.push_back(best);
  }
  return out;
}

} // namespace

Result<PatchMap> read_patching(FileState& state, const std::string& path, const std::string& name) {
  HS_ASSIGN(const store::ResultReader* reader, state.reader(path));
  HS_ASSIGN(const store::Patching stored, reader->patching(name));
  const store::PatchingSpec& spec = stored.spec;
  if (spec.shape.size() < 2)
    return make_error(ErrorCode::corrupt, "has fewer than two axes", path, "/patching/" + name + "/restored");
  PatchMap map;
  map.settings.site = spec.site;
  map.settings.metric = spec.metric;
  map.settings.axes = name_of(spec.axes[1] == "head" ? PatchAxes::layer_head : PatchAxes::layer_position);
  const store::AttributeValue* direction = store::find_attribute(spec.attributes, "direction");
  map.settings.noising = direction && *direction == store::AttributeValue(std::string("noising"));
  map.clean = tokens_of(spec.clean_tokens, spec);
  map.corrupt = tokens_of(spec.corrupt_tokens, spec);
  map.n_layers = static_cast<int>(spec.shape[0]);
  map.n_columns = static_cast<int>(spec.shape[1]);
  map.restored =
      spec.shape.size() == 3 ? strongest_of(stored.restored, static_cast<std::size_t>(spec.shape[2])) : stored.restored;
  map.clean_value = spec.clean;
  map.corrupt_value = spec.corrupt;
  map.complete = reader->info().complete;
  return map;
}

} // namespace headscope::gui
