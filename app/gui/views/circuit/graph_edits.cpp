// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/views/circuit/graph_edits.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <unordered_map>

#include <nlohmann/json.hpp>

#include "core/base/json_text.h"
#include "core/base/partial_file.h"

namespace headscope::gui {
namespace {

using Json = nlohmann::json;

constexpr const char* format_name = "headscope graph edits";
constexpr int format_version = 1;

// Names and no indices: the file says by itself what it is about.
Json names_of(const NodeSet& nodes, const store::Graph& graph) {
  Json names = Json::array();
  for (const std::size_t node : nodes)
    names.push_back(graph.nodes[node].name);
  return names;
}

class Reader {
public:
  Reader(const store::Graph& graph, const std::string& path) : path_(path) {
    for (std::size_t i = 0; i < graph.nodes.size(); ++i)
      by_name_.emplace(graph.nodes[i].name, i);
  }

  Error bad(const std::string& what, const std::string& field) const {
    return make_error(ErrorCode::corrupt, what, path_, field);
  }

  // The objects of a list; a list that is not there is empty.
  Result<std::vector<Json>> list(const Json& json, const char* field) const {
    if (!json.contains(field)) return std::vector<Json>();
    if (!json[field].is_array()) return bad("must be a list", field);
    for (const Json& each : json[field])
      if (!each.is_object()) return bad("must hold objects", field);
    return std::vector<Json>(json[field].begin(), json[field].end());
  }

  Result<NodeSet> nodes(const Json& json, const char* field) const {
    NodeSet out;
    if (!json.contains("nodes") || !json["nodes"].is_array() || json["nodes"].empty())
      return bad("must have a list of nodes", field);
    for (const Json& name : json["nodes"]) {
      const auto found = name.is_string() ? by_name_.find(name.get<std::string>()) : by_name_.end();
      if (found == by_name_.end()) return bad("the graph has no node " + name.dump(), field);
      out.push_back(found->second);
    }
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
  }

  Result<std::string> text(const Json& json, const char* name, const char* field) const {
    if (!json.contains(name) || !json[name].is_string()) return bad(std::string("must have a text ") + name, field);
    return json[name].get<std::string>();
  }

  Result<double> number(const Json& json, const char* name, const char* field) const {
    if (!json.contains(name) || !json[name].is_number()) return bad(std::string("must have a number ") + name, field);
    const double value = json[name].get<double>();
    if (!(std::abs(value) < 1e7)) return bad(std::string("has an impossible ") + name, field);
    return value;
  }

private:
  const std::string& path_;
  std::unordered_map<std::string, std::size_t> by_name_;
};

Status read_groups(const Reader& reader, const Json& json, GraphEdits& edits) {
  HS_ASSIGN(const auto groups, reader.list(json, "groups"));
  std::set<std::size_t> taken;
  for (const Json& group : groups) {
    HS_ASSIGN(std::string name, reader.text(group, "name", "groups"));
    HS_ASSIGN(NodeSet nodes, reader.nodes(group, "groups"));
    for (const std::size_t node : nodes)
      if (!taken.insert(node).second) return reader.bad("a node is in two groups", "groups");
    if (nodes.size() > 1) edits.groups.emplace_back(std::move(name), std::move(nodes));
  }
  return {};
}

Status read_rest(const Reader& reader, const Json& json, GraphEdits& edits) {
  HS_ASSIGN(const auto pins, reader.list(json, "pins"));
  for (const Json& pin : pins) {
    HS_ASSIGN(NodeSet nodes, reader.nodes(pin, "pins"));
    HS_ASSIGN(const double x, reader.number(pin, "x", "pins"));
    HS_ASSIGN(const double y, reader.number(pin, "y", "pins"));
    edits.pins[{pin.value("rightwards", Json()) == true, std::move(nodes)}] = QPointF(x, y);
  }
  HS_ASSIGN(const auto notes, reader.list(json, "notes"));
  for (const Json& note : notes) {
    HS_ASSIGN(NodeSet nodes, reader.nodes(note, "notes"));
    HS_ASSIGN(edits.notes[nodes], reader.text(note, "text", "notes"));
  }
  if (!json.contains("hidden")) return {};
  if (json["hidden"].is_array() && json["hidden"].empty()) return {};
  Json named = Json::object();
  named["nodes"] = json["hidden"];
  HS_ASSIGN(const NodeSet hidden, reader.nodes(named, "hidden"));
  edits.hidden.insert(hidden.begin(), hidden.end());
  return {};
}

} // namespace

std::string edits_path(const std::string& result, const std::string& graph) {
  std::filesystem::path path(result);
  path.replace_extension();
  return path.string() + "." + graph + ".graph-edits.json";
}

GraphEdits edits_of_part(const GraphEdits& edits, const store::Graph& whole, const store::Graph& part) {
  std::unordered_map<std::string, std::size_t> by_name;
  for (std::size_t i = 0; i < part.nodes.size(); ++i)
    by_name.emplace(part.nodes[i].name, i);
  const auto kept = [&](const auto& nodes) {
    NodeSet out;
    for (const std::size_t node : nodes)
      if (const auto found = by_name.find(whole.nodes[node].name); found != by_name.end()) out.push_back(found->second);
    std::sort(out.begin(), out.end());
    return out;
  };
  GraphEdits out;
  for (const auto& [name, nodes] : edits.groups)
    if (NodeSet left = kept(nodes); left.size() > 1) out.groups.emplace_back(name, std::move(left));
  for (const auto& [of, place] : edits.pins)
    if (NodeSet left = kept(of.second); !left.empty()) out.pins[{of.first, std::move(left)}] = place;
  const NodeSet hidden = kept(edits.hidden);
  out.hidden.insert(hidden.begin(), hidden.end());
  for (const auto& [nodes, text] : edits.notes)
    if (NodeSet left = kept(nodes); !left.empty()) out.notes[std::move(left)] = text;
  return out;
}

Status write_edits(const GraphEdits& edits, const store::Graph& graph, const std::string& path) {
  Json json = {{"format", format_name}, {"version", format_version}, {"graph", graph.name},   {"groups", Json::array()},
               {"pins", Json::array()}, {"hidden", Json::array()},   {"notes", Json::array()}};
  for (const auto& [name, nodes] : edits.groups)
    json["groups"].push_back({{"name", name}, {"nodes", names_of(nodes, graph)}});
  for (const auto& [of, place] : edits.pins)
    json["pins"].push_back(
        {{"nodes", names_of(of.second, graph)}, {"rightwards", of.first}, {"x", place.x()}, {"y", place.y()}});
  json["hidden"] = names_of(NodeSet(edits.hidden.begin(), edits.hidden.end()), graph);
  for (const auto& [nodes, text] : edits.notes)
    json["notes"].push_back({{"nodes", names_of(nodes, graph)}, {"text", text}});
  return write_file(path, json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n", true);
}

Result<GraphEdits> read_edits(const store::Graph& graph, const std::string& path) {
  std::error_code missing;
  if (!std::filesystem::exists(path, missing)) return GraphEdits();
  HS_ASSIGN(const Json json, read_json_object(path));
  const Reader reader(graph, path);
  if (json.value("format", Json()) != format_name) return reader.bad("holds no edits of a graph", "format");
  if (json.value("version", Json()) != format_version) return reader.bad("is of another version", "version");
  GraphEdits edits;
  HS_TRY(read_groups(reader, json, edits));
  HS_TRY(read_rest(reader, json, edits));
  return edits;
}

} // namespace headscope::gui
