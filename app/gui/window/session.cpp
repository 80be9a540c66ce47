// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/window/session.h"

#include <QDir>
#include <QFile>
#include <QFileInfo>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QStandardPaths>

#include "app/figures/restyle.h"
#include "app/gui/workspace/saved_values.h"
#include "core/base/partial_file.h"

namespace headscope::gui {
namespace {

const QString theme_names[] = {QStringLiteral("system"), QStringLiteral("light"), QStringLiteral("dark")};

QString qt(const std::string& text) { return QString::fromStdString(text); }

QJsonArray to_json(const std::vector<HeadId>& heads) {
  QJsonArray array;
  for (const HeadId& head : heads)
    array.append(qt(head_name(head)));
  return array;
}

QByteArray bytes_from(const QJsonValue& value) { return QByteArray::fromBase64(value.toString().toLatin1()); }
QString text_of(const QByteArray& bytes) { return QString::fromLatin1(bytes.toBase64()); }

} // namespace

void Session::add_recent(const QString& path) {
  recent.removeAll(path);
  recent.prepend(path);
  while (recent.size() > most_recent)
    recent.removeLast();
}

QString session_path() {
  return QStandardPaths::writableLocation(QStandardPaths::GenericConfigLocation) +
         QStringLiteral("/headscope/session.json");
}

Session read_session(const QString& path) {
  Session session;
  QFile file(path);
  if (!file.open(QIODevice::ReadOnly)) return session;
  const QJsonObject json = QJsonDocument::fromJson(file.readAll()).object();
  session.model = json[QStringLiteral("model")].toString();
  session.result = json[QStringLiteral("result")].toString();
  session.dtype = json[QStringLiteral("dtype")].toString(session.dtype);
  session.device = json[QStringLiteral("device")].toString(session.device);
  session.prompt.text = json[QStringLiteral("prompt")].toString().toStdString();
  session.prompt.chat = json[QStringLiteral("chat")].toBool();
  session.prompt.add_special = json[QStringLiteral("add_special")].toBool(true);
  for (const QJsonValue& value : json[QStringLiteral("heads")].toArray())
    if (const auto head = head_from(value)) session.heads.push_back(*head);
  session.ablated = ablated_from(json[QStringLiteral("ablated")].toArray());
  session.answers = {json[QStringLiteral("answer")].toString().toStdString(),
                     json[QStringLiteral("wrong")].toString().toStdString()};
  session.pair = {json[QStringLiteral("clean")].toString().toStdString(),
                  json[QStringLiteral("corrupt")].toString().toStdString()};
  session.attention = json[QStringLiteral("attention")].toString().toStdString();
  for (const QJsonValue& value : json[QStringLiteral("recent")].toArray())
    session.recent.append(value.toString());
  const QString theme = json[QStringLiteral("theme")].toString();
  for (int i = 0; i < 3; ++i)
    if (theme == theme_names[i]) session.theme = static_cast<Theme>(i);
  session.font_scale = std::clamp(json[QStringLiteral("font_scale")].toDouble(1.0), 0.5, 3.0);
  if (const auto colors = figures::parse_color_map(json[QStringLiteral("colors")].toString().toStdString());
      colors.ok() && *colors != figures::ColorMap::vik)
    session.colors = *colors;
  session.cache_mib = std::clamp(json[QStringLiteral("cache_mib")].toInt(session.cache_mib), 64, 65536);
  session.geometry = bytes_from(json[QStringLiteral("geometry")]);
  session.layout = bytes_from(json[QStringLiteral("layout")]);
  return session;
}

bool write_session(const QString& path, const Session& session) {
  QDir().mkpath(QFileInfo(path).absolutePath());
  const QJsonObject json{
      {QStringLiteral("model"), session.model},
      {QStringLiteral("result"), session.result},
      {QStringLiteral("dtype"), session.dtype},
      {QStringLiteral("device"), session.device},
      {QStringLiteral("prompt"), qt(session.prompt.text)},
      {QStringLiteral("chat"), session.prompt.chat},
      {QStringLiteral("add_special"), session.prompt.add_special},
      {QStringLiteral("heads"), to_json(session.heads)},
      {QStringLiteral("ablated"), to_json(session.ablated)},
      {QStringLiteral("answer"), qt(session.answers.answer)},
      {QStringLiteral("wrong"), qt(session.answers.wrong)},
      {QStringLiteral("clean"), qt(session.pair.clean)},
      {QStringLiteral("corrupt"), qt(session.pair.corrupt)},
      {QStringLiteral("attention"), qt(session.attention)},
      {QStringLiteral("recent"), QJsonArray::fromStringList(session.recent)},
      {QStringLiteral("theme"), theme_names[static_cast<int>(session.theme)]},
      {QStringLiteral("font_scale"), session.font_scale},
      {QStringLiteral("colors"), QString::fromLatin1(figures::to_string(session.colors))},
      {QStringLiteral("cache_mib"), session.cache_mib},
      {QStringLiteral("geometry"), text_of(session.geometry)},
      {QStringLiteral("layout"), text_of(session.layout)},
  };
  return write_file(path.toStdString(), QJsonDocument(json).toJson().toStdString(), true).ok();
}

} // namespace headscope::gui
