// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/workspace/saved_values.h"

#include "core/base/result.h"

namespace headscope::gui {
namespace {

QString qt(const std::string& text) { return QString::fromStdString(text); }
std::string text_of(const QJsonValue& value) { return value.toString().toStdString(); }

// Reads a value by name; sessions of versions before 0.2 have its index in the list instead.
template <typename E> std::optional<E> named(const QJsonValue& value) {
  const auto names = names_of<E>();
  if (value.isDouble()) {
    const int place = value.toInt(-1);
    return place >= 0 && place < std::ssize(names) ? std::optional(names[static_cast<std::size_t>(place)].value)
                                                   : std::nullopt;
  }
  auto found = parse_name<E>(text_of(value), {});
  return found.ok() ? std::optional(*found) : std::nullopt;
}

QJsonObject to_json(const AblationInput& input) {
  QJsonArray reference;
  for (const std::string& text : input.reference)
    reference.append(qt(text));
  return {{QStringLiteral("heads"), to_json(input.heads)},
          {QStringLiteral("reference"), reference},
          {QStringLiteral("seed"), QString::number(input.seed)}};
}

AblationInput ablation_from(const QJsonObject& json) {
  AblationInput input;
  input.heads = ablated_from(json[QStringLiteral("heads")].toArray());
  for (const QJsonValue& text : json[QStringLiteral("reference")].toArray())
    input.reference.push_back(text_of(text));
  input.seed = json[QStringLiteral("seed")].toString().toULongLong();
  return input;
}

} // namespace

std::optional<HeadId> head_from(const QJsonValue& value) {
  const auto head = read_head_name(text_of(value));
  return head && head->layer >= 0 && head->head >= 0 ? head : std::nullopt;
}

QJsonArray to_json(const std::vector<AblatedHead>& heads) {
  QJsonArray array;
  for (const AblatedHead& head : heads)
    array.append(QJsonObject{{QStringLiteral("head"), qt(head_name(head.head))},
                             {QStringLiteral("how"), QString::fromLatin1(to_string(head.how))},
                             {QStringLiteral("when"), QString::fromLatin1(to_string(head.when))}});
  return array;
}

std::vector<AblatedHead> ablated_from(const QJsonArray& array) {
  std::vector<AblatedHead> heads;
  for (const QJsonValue& value : array) {
    const QJsonObject object = value.toObject();
    const auto head = head_from(object[QStringLiteral("head")]);
    const auto how = named<AblationMethod>(object[QStringLiteral("how")]);
    const auto when = named<Phase>(object[QStringLiteral("when")]);
    if (head && how && when) heads.push_back({*head, *how, *when});
  }
  return heads;
}

// A part that the numbers do not depend on is not there.
QJsonObject to_json(const Origin& origin) {
  QJsonObject json{{QStringLiteral("sha256"), qt(origin.model_sha256)},
                   {QStringLiteral("model"), qt(origin.model_name)},
                   {QStringLiteral("prompt"), origin.prompt}};
  if (origin.tokens) {
    QJsonArray tokens;
    for (const std::int64_t token : *origin.tokens)
      tokens.append(static_cast<qint64>(token));
    json[QStringLiteral("tokens")] = tokens;
  }
  if (origin.plan) json[QStringLiteral("ablation")] = to_json(*origin.plan);
  if (origin.attention) json[QStringLiteral("attention")] = qt(*origin.attention);
  if (origin.answers)
    json[QStringLiteral("answers")] = QJsonArray{qt(origin.answers->answer), qt(origin.answers->wrong)};
  return json;
}

Origin origin_from(const QJsonObject& json) {
  Origin origin;
  origin.model_sha256 = text_of(json[QStringLiteral("sha256")]);
  origin.model_name = text_of(json[QStringLiteral("model")]);
  origin.prompt = json[QStringLiteral("prompt")].toString();
  if (const QJsonValue tokens = json[QStringLiteral("tokens")]; tokens.isArray()) {
    origin.tokens.emplace();
    for (const QJsonValue& token : tokens.toArray())
      origin.tokens->push_back(token.toInteger());
  }
  if (const QJsonValue ablation = json[QStringLiteral("ablation")]; ablation.isObject())
    origin.plan = ablation_from(ablation.toObject());
  if (const QJsonValue attention = json[QStringLiteral("attention")]; attention.isString())
    origin.attention = text_of(attention);
  if (const QJsonArray answers = json[QStringLiteral("answers")].toArray(); answers.size() == 2)
    origin.answers = {text_of(answers[0]), text_of(answers[1])};
  return origin;
}

} // namespace headscope::gui
