// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/files/kept_files.h"

#include <algorithm>

#include <QJsonArray>

#include "app/gui/files/evidence.h"
#include "app/gui/files/file_state.h"
#include "app/gui/files/patching_file.h"
#include "core/store/column_values.h"

namespace headscope::gui {
namespace {

constexpr const char *clean_id = "clean", *corrupt_id = "corrupt"; // the prompts of a pair
const std::string patching_name = "patching";

QString qt(const std::string& text) { return QString::fromStdString(text); }
std::string text_of(const QJsonObject& json, const char* name) {
  return json[QLatin1String(name)].toString().toStdString();
}

QJsonArray to_json(const std::vector<std::string>& texts) {
  QJsonArray array;
  for (const std::string& text : texts)
    array.append(qt(text));
  return array;
}

std::vector<std::string> texts_from(const QJsonValue& value) {
  std::vector<std::string> texts;
  for (const QJsonValue& text : value.toArray())
    texts.push_back(text.toString().toStdString());
  return texts;
}

QJsonObject to_json(const std::map<std::string, std::string>& values) {
  QJsonObject json;
  for (const auto& [name, value] : values)
    json[qt(name)] = qt(value);
  return json;
}

std::map<std::string, std::string> values_from(const QJsonValue& value) {
  std::map<std::string, std::string> values;
  const QJsonObject json = value.toObject();
  for (auto each = json.begin(); each != json.end(); ++each)
    values[each.key().toStdString()] = each.value().toString().toStdString();
  return values;
}

Result<store::ResultWriter> begin(const std::string& path, const std::string& command, const store::Attributes& model) {
  store::ResultOptions options;
  options.overwrite = true;
  options.provenance.command_line = command.empty() ? "headscope-gui" : command;
  HS_ASSIGN(store::ResultWriter writer, store::ResultWriter::create(path, options));
  HS_TRY(writer.set_model(model));
  return writer;
}

store::Prompt prompt_of(const std::string& id, const std::vector<TokenInfo>& tokens) {
  store::Prompt prompt;
  prompt.id = id;
  for (const TokenInfo& token : tokens) {
    prompt.text += token.text;
    prompt.token_ids.push_back(token.id);
    prompt.token_pieces.push_back(token.piece);
    prompt.token_texts.push_back(token.text);
  }
  return prompt;
}

Result<std::vector<TokenInfo>> tokens_of(const store::ResultReader& reader, const std::string& id) {
  HS_ASSIGN(const store::Prompt prompt, reader.prompt(id));
  std::vector<TokenInfo> tokens;
  for (std::size_t i = 0; i < prompt.token_ids.size(); ++i)
    tokens.push_back({prompt.token_ids[i], prompt.token_pieces[i],
                      i < prompt.token_texts.size() ? prompt.token_texts[i] : prompt.token_pieces[i], false});
  return tokens;
}

} // namespace

store::Attributes model_attributes(const ModelInfo& model) {
  const auto size = [](int n) { return std::int64_t{n}; };
  return {{"name", model.name},
          {"architecture", model.architecture},
          {"path", model.path},
          {"sha256", model.sha256},
          {"format", model.format},
          {"quantisation", model.quantisation},
          {"dtype", model.dtype},
          {"device", model.device},
          {"n_layers", size(model.n_layers)},
          {"n_heads", size(model.n_heads)},
          {"n_kv_heads", size(model.n_kv_heads)},
          {"d_model", model.d_model},
          {"d_head", model.d_head},
          {"d_mlp", model.d_mlp},
          {"d_vocab", model.d_vocab},
          {"n_ctx", model.n_ctx}};
}

// ---- Sweeps

Status write_sweep(const std::string& path, const HeadSweep& sweep, const store::Attributes& model) {
  HS_ASSIGN(store::ResultWriter writer, begin(path, sweep.request.command_line, model));
  const auto phase = sweep.request.values.find("phase");
  store::AblationSpec spec;
  spec.name = sweep.method;
  spec.n_layers = sweep.n_layers;
  spec.n_heads = sweep.n_heads;
  for (std::int64_t i = 0; i < sweep.n_prompts; ++i)
    spec.prompts.push_back("prompt-" + std::to_string(i));
  spec.method = sweep.method;
  spec.phase = phase == sweep.request.values.end() ? to_string(Phase::both) : phase->second;
  spec.metric = sweep.metric;
  spec.units = sweep.units;
  HS_ASSIGN(store::AblationWriter rows, writer.begin_ablation(spec));
  const std::vector<float> effects(sweep.effects.begin(), sweep.effects.end());
  const auto cells = static_cast<std::size_t>(sweep.n_layers) * static_cast<std::size_t>(sweep.n_heads);
  for (std::int64_t i = 0; i < sweep.n_prompts; ++i) {
    const auto at = static_cast<std::size_t>(i);
    HS_TRY(rows.write_clean(i, static_cast<float>(sweep.clean[at])));
    HS_TRY(rows.write_layers(i, 0, std::span(effects).subspan(at * cells, cells)));
  }
  return writer.commit(sweep.complete);
}

QJsonObject more_of(const HeadSweep& sweep) {
  return {{QStringLiteral("values"), to_json(sweep.request.values)},
          {QStringLiteral("command"), qt(sweep.request.command_line)},
          {QStringLiteral("dtype"), qt(sweep.model.dtype)},
          {QStringLiteral("device"), qt(sweep.model.device)},
          {QStringLiteral("plan"), qt(sweep.model.plan)},
          {QStringLiteral("sha256"), qt(sweep.model.sha256)},
          {QStringLiteral("name"), qt(sweep.method)},
          {QStringLiteral("answer"), qt(sweep.answer)},
          {QStringLiteral("wrong"), qt(sweep.wrong)},
          {QStringLiteral("notes"), to_json(sweep.notes)},
          {QStringLiteral("warnings"), to_json(sweep.warnings)}};
}

Result<HeadSweep> read_sweep(FileState& state, const std::string& path, const QJsonObject& more) {
  HS_ASSIGN(const store::ResultReader* reader, state.reader(path));
  HS_ASSIGN(const store::Ablation stored, reader->ablation(text_of(more, "name")));
  HeadSweep sweep;
  sweep.request.id = "ablate";
  sweep.request.values = values_from(more[QStringLiteral("values")]);
  sweep.request.command_line = text_of(more, "command");
  sweep.model = {text_of(more, "sha256"), text_of(more, "dtype"), text_of(more, "device"), text_of(more, "plan")};
  sweep.metric = stored.spec.metric;
  sweep.units = stored.spec.units;
  sweep.method = stored.spec.method;
  sweep.answer = text_of(more, "answer");
  sweep.wrong = text_of(more, "wrong");
  sweep.n_prompts = std::ssize(stored.spec.prompts);
  sweep.n_layers = static_cast<int>(stored.spec.n_layers);
  sweep.n_heads = static_cast<int>(stored.spec.n_heads);
  sweep.clean.assign(stored.clean.begin(), stored.clean.end());
  sweep.effects.assign(stored.effects.begin(), stored.effects.end());
  sweep.notes = texts_from(more[QStringLiteral("notes")]);
  sweep.warnings = texts_from(more[QStringLiteral("warnings")]);
  sweep.complete = reader->info().complete;
  return sweep;
}

// ---- Patching

Status write_patch_map(const std::string& path, const PatchMap& map, const store::Attributes& model) {
  HS_ASSIGN(store::ResultWriter writer, begin(path, map.command, model));
  HS_TRY(writer.add_prompt(prompt_of(clean_id, map.clean)));
  HS_TRY(writer.add_prompt(prompt_of(corrupt_id, map.corrupt)));
  store::Patching patching;
  patching.spec.name = patching_name;
  patching.spec.site = map.settings.site;
  patching.spec.axes = {"layer", map.by_head() ? "head" : "position"};
  patching.spec.shape = {map.n_layers, map.n_columns};
  patching.spec.metric = map.settings.metric;
  patching.spec.clean = map.clean_value;
  patching.spec.corrupt = map.corrupt_value;
  if (const auto metric = parse_name<MetricKind>(map.settings.metric, {}); metric.ok())
    patching.spec.units = units_of(*metric);
  for (const auto& [from, to] :
       {std::pair(&map.clean, &patching.spec.clean_tokens), {&map.corrupt, &patching.spec.corrupt_tokens}})
    for (const TokenInfo& token : *from)
      to->push_back(token.text);
  patching.spec.attributes = {{"direction", std::string(map.settings.noising ? "noising" : "denoising")},
                              {"estimated", map.settings.estimate}};
  patching.restored = map.restored;
  HS_TRY(writer.add_patching(patching));
  if (map.settings.estimate) {
    const auto column = [&](auto of) { return store::column_values(map.checked, of); };
    const auto place = [&](bool head) {
      return column(
          [&map, head](const CheckedPatch& cell) { return std::int64_t{head == map.by_head() ? cell.column : 0}; });
    };
    const store::Table table{
        {{"pair", column([](const CheckedPatch&) { return std::int64_t{0}; }), "index", "pair of prompts"},
         {"layer", column([](const CheckedPatch& cell) { return std::int64_t{cell.layer}; }), "index", "layer"},
         {"position", place(false), "index", "position on the axis of the array"},
         {"head", place(true), "index", "head on the axis of the array"},
         {"estimated", column(&CheckedPatch::estimated), "1", "restored, by attribution"},
         {"exact", column(&CheckedPatch::exact), "1", "restored, by patching"},
         {"agrees", column([](const CheckedPatch& cell) { return std::int64_t{cell.agrees}; }), "1", "1: near enough"}},
        {}};
    HS_TRY(writer.add_table("/patching/" + patching_name + "/checked", table));
  }
  return writer.commit(map.complete);
}

QJsonObject more_of(const PatchMap& map) {
  QJsonObject json{{QStringLiteral("note"), qt(map.note)}, {QStringLiteral("command"), qt(map.command)}};
  if (map.settings.position) json[QStringLiteral("position")] = *map.settings.position;
  if (map.settings.layer) json[QStringLiteral("layer")] = *map.settings.layer;
  return json;
}

namespace {

Result<std::vector<CheckedPatch>> read_checked(const store::ResultReader& reader, bool by_head) {
  const std::string path = "/patching/" + patching_name + "/checked";
  HS_ASSIGN(const store::Table table, reader.table(path));
  const auto find = [&]<typename T>(const char* name, const std::vector<T>*& into) {
    for (const store::Column& column : table.columns)
      if (column.name == name) into = std::get_if<std::vector<T>>(&column.values);
  };
  const std::vector<std::int64_t>*layers = nullptr, *columns = nullptr, *agrees = nullptr;
  const std::vector<double>*estimated = nullptr, *exact = nullptr;
  find("layer", layers);
  find(by_head ? "head" : "position", columns);
  find("agrees", agrees);
  find("estimated", estimated);
  find("exact", exact);
  if (!layers || !columns || !agrees || !estimated || !exact)
    return make_error(ErrorCode::corrupt, "lacks a column", {}, path);
  std::vector<CheckedPatch> checked;
  for (std::size_t i = 0; i < layers->size(); ++i)
    checked.push_back({static_cast<int>((*layers)[i]), static_cast<int>((*columns)[i]), (*estimated)[i], (*exact)[i],
                       (*agrees)[i] != 0});
  return checked;
}

} // namespace

Result<PatchMap> read_patch_map(FileState& state, const std::string& path, const QJsonObject& more) {
  HS_ASSIGN(PatchMap map, read_patching(state, path, patching_name));
  HS_ASSIGN(const store::ResultReader* reader, state.reader(path));
  HS_ASSIGN(map.clean, tokens_of(*reader, clean_id));
  HS_ASSIGN(map.corrupt, tokens_of(*reader, corrupt_id));
  map.settings.estimate = reader->exists("/patching/" + patching_name + "/checked");
  if (map.settings.estimate) {
    HS_ASSIGN(map.checked, read_checked(*reader, map.by_head()));
  }
  if (more.contains(QStringLiteral("position"))) map.settings.position = more[QStringLiteral("position")].toInt();
  if (more.contains(QStringLiteral("layer"))) map.settings.layer = more[QStringLiteral("layer")].toInt();
  map.note = text_of(more, "note");
  map.command = text_of(more, "command");
  return map;
}

// ---- Detectors

QJsonObject more_of(const DetectorAnswer& answer) {
  QJsonArray unnamed;
  for (const DetectorResult::Unnamed& each : answer.result->unnamed)
    unnamed.append(QJsonArray{qt(head_name(each.head)), qt(each.why)});
  return {{QStringLiteral("detector"), qt(answer.request.id)},
          {QStringLiteral("options"), to_json(answer.request.options)},
          {QStringLiteral("haystack"), qt(answer.request.haystack)},
          {QStringLiteral("title"), qt(answer.title)},
          {QStringLiteral("sha256"), qt(answer.model_sha256)},
          {QStringLiteral("plan"), qt(answer.plan)},
          {QStringLiteral("message"), qt(answer.result->message)},
          {QStringLiteral("conditions"), to_json(answer.result->conditions)},
          {QStringLiteral("unnamed"), unnamed},
          {QStringLiteral("complete"), answer.result->complete}};
}

namespace {

// Attributes that write_detector() adds to the detector's findings.
bool is_added(const store::Attribute& attribute) {
  static const char* const names[] = {"title", "reference", "complete", "message", "conditions", "unnamed"};
  return std::ranges::find(names, attribute.name) != std::end(names);
}

// Further maps of heads.
Status read_maps(const store::ResultReader& reader, const std::string& detector, DetectorResult& result) {
  const std::string group = "/detectors/" + detector + "/evidence";
  HS_ASSIGN(const auto names, reader.list(group));
  for (const std::string& name : names) {
    const auto array = reader.array(group + "/" + name);
    if (!array.ok() || array->spec.shape != std::vector<std::int64_t>{result.n_layers, result.n_heads}) continue;
    result.maps.push_back(
        {name, array->spec.long_name, array->spec.units, {array->values.begin(), array->values.end()}});
  }
  return {};
}

} // namespace

Result<DetectorAnswer> read_detector_answer(FileState& state, const std::string& path, const QJsonObject& more) {
  DetectorAnswer answer;
  answer.request = {text_of(more, "detector"), values_from(more[QStringLiteral("options")]), text_of(more, "haystack")};
  HS_ASSIGN(DetectorResult result, read_evidence(state, path, answer.request.id, {}));
  HS_ASSIGN(const store::ResultReader* reader, state.reader(path));
  HS_TRY(read_maps(*reader, answer.request.id, result));
  std::erase_if(result.findings, is_added);
  result.message = text_of(more, "message");
  result.conditions = texts_from(more[QStringLiteral("conditions")]);
  for (const QJsonValue& each : more[QStringLiteral("unnamed")].toArray())
    if (const auto head = read_head_name(each[0].toString().toStdString()))
      result.unnamed.push_back({*head, each[1].toString().toStdString()});
  result.complete = more[QStringLiteral("complete")].toBool();
  answer.title = text_of(more, "title");
  answer.model_sha256 = text_of(more, "sha256");
  answer.plan = text_of(more, "plan");
  answer.result = std::make_shared<const DetectorResult>(std::move(result));
  return answer;
}

} // namespace headscope::gui
