// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/window/session.h"

#include <QDir>
#include <QFile>
#include <QFileInfo>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QStandardPaths>

#include "core/base/partial_file.h"

namespace headscope::gui {
namespace {

const QString theme_names[] = {QStringLiteral("system"), QStringLiteral("light"), QStringLiteral("dark")};

QString qt(const std::string& text) { return QString::fromStdString(text); }

QJsonArray to_json(const std::vector<HeadRef>& heads) {
  QJsonArray array;
  for (const HeadRef& head : heads)
    array.append(qt(head.label()));
  return array;
}

std::optional<HeadRef> head_from(const QJsonValue& value) {
  const QStringList parts = value.toString().split(QLatin1Char('.'));
  bool layer_ok = false, head_ok = false;
  if (parts.size() != 2) return std::nullopt;
  const HeadRef head{parts[0].toInt(&layer_ok), parts[1].toInt(&head_ok)};
  if (!layer_ok || !head_ok || head.layer < 0 || head.head < 0) return std::nullopt;
  return head;
}

QJsonArray to_json(const std::vector<AblatedHead>& heads) {
  QJsonArray array;
  for (const AblatedHead& head : heads)
    array.append(QJsonObject{{QStringLiteral("head"), qt(head.head.label())},
                             {QStringLiteral("how"), static_cast<int>(head.how)},
                             {QStringLiteral("when"), static_cast<int>(head.when)}});
  return array;
}

std::vector<AblatedHead> ablated_from(const QJsonArray& array) {
  std::vector<AblatedHead> heads;
  for (const QJsonValue& value : array) {
    const QJsonObject object = value.toObject();
    const auto head = head_from(object[QStringLiteral("head")]);
    const int how = object[QStringLiteral("how")].toInt(), when = object[QStringLiteral("when")].toInt();
    if (head && how >= 0 && how <= static_cast<int>(AblateHow::uniform) && when >= 0 &&
        when <= static_cast<int>(AblateWhen::both))
      heads.push_back({*head, static_cast<AblateHow>(how), static_cast<AblateWhen>(when)});
  }
  return heads;
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
  session.prompt.text = json[QStringLiteral("prompt")].toString().toStdString();
  session.prompt.chat = json[QStringLiteral("chat")].toBool();
  session.prompt.add_special = json[QStringLiteral("add_special")].toBool(true);
  for (const QJsonValue& value : json[QStringLiteral("heads")].toArray())
    if (const auto head = head_from(value)) session.heads.push_back(*head);
  session.ablated = ablated_from(json[QStringLiteral("ablated")].toArray());
  for (const QJsonValue& value : json[QStringLiteral("recent")].toArray())
    session.recent.append(value.toString());
  const QString theme = json[QStringLiteral("theme")].toString();
  for (int i = 0; i < 3; ++i)
    if (theme == theme_names[i]) session.theme = static_cast<Theme>(i);
  session.font_scale = std::clamp(json[QStringLiteral("font_scale")].toDouble(1.0), 0.5, 3.0);
  session.geometry = bytes_from(json[QStringLiteral("geometry")]);
  session.layout = bytes_from(json[QStringLiteral("layout")]);
  return session;
}

bool write_session(const QString& path, const Session& session) {
  QDir().mkpath(QFileInfo(path).absolutePath());
  const QJsonObject json{
      {QStringLiteral("model"), session.model},
      {QStringLiteral("result"), session.result},
      {QStringLiteral("prompt"), qt(session.prompt.text)},
      {QStringLiteral("chat"), session.prompt.chat},
      {QStringLiteral("add_special"), session.prompt.add_special},
      {QStringLiteral("heads"), to_json(session.heads)},
      {QStringLiteral("ablated"), to_json(session.ablated)},
      {QStringLiteral("recent"), QJsonArray::fromStringList(session.recent)},
      {QStringLiteral("theme"), theme_names[static_cast<int>(session.theme)]},
      {QStringLiteral("font_scale"), session.font_scale},
      {QStringLiteral("geometry"), text_of(session.geometry)},
      {QStringLiteral("layout"), text_of(session.layout)},
  };
  return write_file(path.toStdString(), QJsonDocument(json).toJson().toStdString(), true).ok();
}

} // namespace headscope::gui
