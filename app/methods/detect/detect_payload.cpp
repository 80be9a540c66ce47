// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/detect/detect_payload.h"

namespace headscope::methods {
namespace {

using Json = nlohmann::json;

// Writes the index of a variant's alternative, then its value.
template <typename Variant> Json variant_payload(const Variant& value) {
  return std::visit([&](const auto& each) { return Json{value.index(), each}; }, value);
}

template <typename Variant, std::size_t I = 0> Variant variant_from(const Json& payload) {
  if constexpr (I < std::variant_size_v<Variant>) {
    if (payload.at(0).get<std::size_t>() == I)
      return Variant(std::in_place_index<I>, payload.at(1).get<std::variant_alternative_t<I, Variant>>());
    return variant_from<Variant, I + 1>(payload);
  } else {
    throw std::runtime_error("a journal holds a value of an unknown kind");
  }
}

Json attributes_payload(const store::Attributes& attributes) {
  Json out = Json::array();
  for (const store::Attribute& each : attributes)
    out.push_back({each.name, variant_payload(each.value)});
  return out;
}

store::Attributes attributes_from(const Json& payload) {
  store::Attributes out;
  for (const Json& each : payload)
    out.push_back({each.at(0), variant_from<store::AttributeValue>(each.at(1))});
  return out;
}

// Texts of tokens may be fragments of characters, which JSON strings cannot hold, so they are kept as bytes.
Json bytes_payload(const std::string& text) { return Json::binary({text.begin(), text.end()}); }
std::string bytes_from(const Json& payload) {
  const auto& bytes = payload.get_binary();
  return {bytes.begin(), bytes.end()};
}
Json bytes_payload(const std::vector<std::string>& texts) {
  Json out = Json::array();
  for (const std::string& text : texts)
    out.push_back(bytes_payload(text));
  return out;
}
std::vector<std::string> all_bytes_from(const Json& payload) {
  std::vector<std::string> out;
  for (const Json& each : payload)
    out.push_back(bytes_from(each));
  return out;
}

Json prompt_payload(const store::Prompt& prompt) {
  return {prompt.id,
          bytes_payload(prompt.text),
          prompt.token_ids,
          bytes_payload(prompt.token_pieces),
          bytes_payload(prompt.token_texts),
          attributes_payload(prompt.attributes)};
}

store::Prompt prompt_from(const Json& payload) {
  return {payload.at(0),
          bytes_from(payload.at(1)),
          payload.at(2),
          all_bytes_from(payload.at(3)),
          all_bytes_from(payload.at(4)),
          attributes_from(payload.at(5))};
}

// Columns of texts may hold tokens too, so they are kept as bytes.
Json column_payload(const store::Column& column) {
  const auto* texts = std::get_if<std::vector<std::string>>(&column.values);
  return {column.name, texts ? Json{2, bytes_payload(*texts)} : variant_payload(column.values), column.units,
          column.long_name};
}

store::Column column_from(const Json& payload) {
  store::Column column{payload.at(0), {}, payload.at(2), payload.at(3)};
  const Json& values = payload.at(1);
  if (values.at(0) == 2)
    column.values = all_bytes_from(values.at(1));
  else
    column.values = variant_from<decltype(column.values)>(values);
  return column;
}

Json unnamed_payload(const DetectorResult& result) {
  Json out = Json::array();
  for (const DetectorResult::Unnamed& each : result.unnamed)
    out.push_back({each.head.layer, each.head.head, each.why});
  return out;
}

} // namespace

Json to_payload(const DetectorResult& result) {
  Json heads = Json::array(), maps = Json::array(), prompts = Json::array(), tables = Json::array();
  for (const HeadId& head : result.heads)
    heads.push_back({head.layer, head.head});
  for (const ScoreMap& map : result.maps)
    maps.push_back({map.name, map.description, map.units, map.values});
  for (const store::Prompt& prompt : result.prompts)
    prompts.push_back(prompt_payload(prompt));
  for (const DetectorResult::NamedTable& each : result.tables) {
    Json columns = Json::array();
    for (const store::Column& column : each.table.columns)
      columns.push_back(column_payload(column));
    tables.push_back({each.name, std::move(columns), attributes_payload(each.table.attributes)});
  }
  return {{"shape", {result.n_layers, result.n_heads}},
          {"scores", result.scores},
          {"units", result.units},
          {"description", result.description},
          {"threshold", result.threshold},
          {"heads", std::move(heads)},
          {"conditions", result.conditions},
          {"unnamed", unnamed_payload(result)},
          {"maps", std::move(maps)},
          {"findings", attributes_payload(result.findings)},
          {"prompts", std::move(prompts)},
          {"tables", std::move(tables)},
          {"message", result.message},
          {"complete", result.complete}};
}

DetectorResult detector_from_payload(const Json& payload) {
  DetectorResult result;
  result.n_layers = payload.at("shape").at(0);
  result.n_heads = payload.at("shape").at(1);
  result.scores = payload.at("scores").get<std::vector<float>>();
  result.units = payload.at("units");
  result.description = payload.at("description");
  result.threshold = payload.at("threshold");
  for (const Json& head : payload.at("heads"))
    result.heads.push_back({head.at(0), head.at(1)});
  // Journals of versions before 0.2 have neither.
  if (payload.contains("conditions")) {
    result.conditions = payload.at("conditions").get<std::vector<std::string>>();
    for (const Json& each : payload.at("unnamed"))
      result.unnamed.push_back({{each.at(0), each.at(1)}, each.at(2)});
  }
  for (const Json& map : payload.at("maps"))
    result.maps.push_back({map.at(0), map.at(1), map.at(2), map.at(3).get<std::vector<float>>()});
  result.findings = attributes_from(payload.at("findings"));
  for (const Json& prompt : payload.at("prompts"))
    result.prompts.push_back(prompt_from(prompt));
  for (const Json& each : payload.at("tables")) {
    DetectorResult::NamedTable table{each.at(0), {{}, attributes_from(each.at(2))}};
    for (const Json& column : each.at(1))
      table.table.columns.push_back(column_from(column));
    result.tables.push_back(std::move(table));
  }
  result.message = payload.at("message");
  result.complete = payload.at("complete");
  return result;
}

} // namespace headscope::methods
