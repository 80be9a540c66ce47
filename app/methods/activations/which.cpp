// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/activations/which.h"

#include <algorithm>
#include <charconv>

#include "core/vocabulary/head_id.h"

namespace headscope::methods {
namespace {

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::string part;
  const std::string ended = std::string(text).append(",");
  for (const char c : ended) {
    if (c != ',' && c != ' ') {
      part += c;
      continue;
    }
    if (!part.empty()) parts.push_back(part);
    part.clear();
  }
  return parts;
}

Error at_flag(const Error& error, const char* flag) {
  const bool named = !error.field.empty() && !error.field.starts_with("--");
  return make_error(error.code, named ? std::string(error.field).append(": ").append(error.message) : error.message, {},
                    flag);
}

// Whether a name fits a site: "resid_pre", "attn.hook_z" and "hook_z" name the point of every layer, a full name that
// of one.
bool is_named(const HookSite& site, const std::string& name) {
  const std::string whole = hook_name(site);
  if (name == whole || name == short_name(site.point)) return true;
  if (!is_block_point(site.point)) return false;
  const std::string in_block = whole.substr(whole.find('.', whole.find('.') + 1) + 1);
  return in_block == name || (name.starts_with("hook_") && in_block.ends_with(std::string(".").append(name)));
}

bool is_pairwise(const HookSite& site) { return hook_axes(site.point) == HookAxes::head_query_key; }

// The sites of one name of the list.
Result<std::vector<HookSite>> sites_named(const std::string& name, const ModelConfig& config) {
  std::vector<HookSite> found = hook_sites(config);
  std::erase_if(found, [&](const HookSite& site) { return !is_named(site, name); });
  if (found.empty()) {
    auto matched = match_hook_names(name, config);
    if (!matched.ok()) return at_flag(matched.error(), "--names");
    found = std::move(*matched);
  }
  // A pattern means those of its points that can be dumped.
  const bool only_pairwise = std::all_of(found.begin(), found.end(), is_pairwise);
  std::erase_if(found, is_pairwise);
  if (only_pairwise)
    return make_error(
        ErrorCode::unsupported,
        std::string(name).append(" has a value for every pair of positions; `headscope attention` stores these maps"),
        {}, "--names");
  return found;
}

Result<std::vector<bool>> chosen_layers(const std::string& text, const ModelConfig& config) {
  if (text.find('.') != std::string::npos)
    return make_error(ErrorCode::invalid_argument, "takes layers such as 0,3-5, not heads", {}, "--layers");
  const auto heads = parse_heads(text, config.n_layers, config.n_heads);
  if (!heads.ok())
    return make_error(
        ErrorCode::invalid_argument,
        std::string("takes layers such as 0,3-5; the model has 0 to ").append(std::to_string(config.n_layers - 1)), {},
        "--layers");
  std::vector<bool> chosen(static_cast<std::size_t>(config.n_layers), false);
  for (const HeadId& head : *heads)
    chosen[static_cast<std::size_t>(head.layer)] = true;
  return chosen;
}

// The chosen heads of the site's layer as indices of its head axis; at K/V points, the K/V heads that they read.
std::vector<std::int64_t> heads_at(const HookSite& site, const std::vector<HeadId>& heads, const ModelConfig& config) {
  const bool shared = hook_axes(site.point) == HookAxes::pos_kv_head_d;
  std::vector<std::int64_t> out;
  for (const HeadId& id : heads) {
    if (id.layer != site.layer) continue;
    const std::int64_t head = shared ? id.head / (config.n_heads / config.n_kv_heads) : id.head;
    if (std::find(out.begin(), out.end(), head) == out.end()) out.push_back(head);
  }
  return out;
}

// Adds the heads to the sites, and drops sites with a head axis in layers without chosen heads.
Result<std::vector<WantedSite>> with_heads(const std::vector<HookSite>& sites, const std::string& text,
                                           const ModelConfig& config) {
  std::vector<WantedSite> wanted;
  if (text == "all") {
    for (const HookSite& site : sites)
      wanted.push_back({site});
    return wanted;
  }
  HS_ASSIGN(const std::vector<HeadId> heads, parse_heads(text, config.n_layers, config.n_heads));
  for (const HookSite& site : sites) {
    WantedSite one{site};
    if (hook_axes(site.point) != HookAxes::pos_d) {
      one.heads = heads_at(site, heads, config);
      if (one.heads.empty()) continue;
    }
    wanted.push_back(std::move(one));
  }
  if (wanted.empty())
    return make_error(ErrorCode::invalid_argument, "no head of them is in a layer that is wanted", {}, "--heads");
  return wanted;
}

bool read_integer(std::string_view text, std::int64_t& value) {
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  return read.ec == std::errc() && read.ptr == text.data() + text.size();
}

std::optional<PositionPart> parse_part(const std::string& text) {
  if (text == "all") return PositionPart{};
  if (text == "last") return PositionPart{-1, {}, true};
  PositionPart part;
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos) {
    part.one = true;
    return read_integer(text, part.begin) ? std::optional(part) : std::nullopt;
  }
  const std::string_view from = std::string_view(text).substr(0, colon), to = std::string_view(text).substr(colon + 1);
  if (!from.empty() && !read_integer(from, part.begin)) return std::nullopt;
  if (to.empty()) return part;
  std::int64_t end = 0;
  if (!read_integer(to, end)) return std::nullopt;
  part.end = end;
  return part;
}

} // namespace

Result<std::vector<WantedSite>> wanted_sites(const Which& which, const ModelConfig& config) {
  HS_ASSIGN(const std::vector<bool> layers, chosen_layers(which.layers, config));
  const std::vector<HookSite> all = hook_sites(config);
  std::vector<bool> chosen(all.size(), false);
  for (const std::string& name : split(which.names)) {
    HS_ASSIGN(const std::vector<HookSite> sites, sites_named(name, config));
    bool any = false;
    for (const HookSite& site : sites) {
      if (site.layer >= 0 && !layers[static_cast<std::size_t>(site.layer)]) continue;
      chosen[static_cast<std::size_t>(std::find(all.begin(), all.end(), site) - all.begin())] = any = true;
    }
    if (!any)
      return make_error(ErrorCode::invalid_argument, std::string("leaves nothing of ").append(name), {}, "--layers");
  }
  std::vector<HookSite> sites;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (chosen[i]) sites.push_back(all[i]);
  if (sites.empty()) return make_error(ErrorCode::invalid_argument, "names no hook point", {}, "--names");
  return with_heads(sites, which.heads, config);
}

Result<std::vector<PositionPart>> parse_positions(const std::string& text) {
  std::vector<PositionPart> parts;
  for (const std::string& word : split(text)) {
    const std::optional<PositionPart> part = parse_part(word);
    if (!part)
      return make_error(ErrorCode::invalid_argument,
                        std::string("'").append(word).append("' is no position; write all, last, 0,-1 or 1:"), {},
                        "--positions");
    parts.push_back(*part);
  }
  if (parts.empty()) return make_error(ErrorCode::invalid_argument, "names no position", {}, "--positions");
  return parts;
}

Result<std::vector<std::int64_t>> positions_in(const std::vector<PositionPart>& parts, std::int64_t length,
                                               const std::string& text) {
  const auto from_start = [&](std::int64_t position) { return position < 0 ? position + length : position; };
  std::vector<std::int64_t> out;
  for (const PositionPart& part : parts) {
    const std::int64_t begin = from_start(part.begin);
    if (part.one && (begin < 0 || begin >= length))
      return make_error(ErrorCode::mismatch,
                        std::string(text)
                            .append(" has positions 0 to ")
                            .append(std::to_string(length - 1))
                            .append(", not ")
                            .append(std::to_string(part.begin)),
                        {}, "--positions");
    const std::int64_t end =
        part.one ? begin + 1 : std::clamp<std::int64_t>(from_start(part.end.value_or(length)), 0, length);
    for (std::int64_t position = std::max<std::int64_t>(begin, 0); position < end; ++position)
      out.push_back(position);
  }
  return out;
}

} // namespace headscope::methods
