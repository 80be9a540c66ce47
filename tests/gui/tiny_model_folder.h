// SPDX-License-Identifier: GPL-3.0-or-later
// A random model of tests/golden with a tokenizer of its own, whose tokens are letters, as a folder that the window can
// open.
#pragma once

#include <memory>

#include <QDir>
#include <QFile>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QTemporaryDir>

namespace headscope::gui::test {

inline QJsonObject letter_tokenizer(int vocabulary) {
  QJsonObject vocab;
  QStringList pieces = {QStringLiteral("<unk>"), QStringLiteral("<s>"), QStringLiteral("</s>"), QString(QChar(0x0120))};
  for (char letter = 'a'; letter <= 'z'; ++letter)
    pieces << QString(QLatin1Char(letter)) << QString(QLatin1Char(letter)).toUpper();
  for (int i = 0; i < vocabulary; ++i)
    vocab.insert(i < pieces.size() ? pieces[i] : QStringLiteral("<%1>").arg(i), i);
  return {{QStringLiteral("version"), QStringLiteral("1.0")},
          {QStringLiteral("added_tokens"), QJsonArray()},
          {QStringLiteral("normalizer"), QJsonValue()},
          {QStringLiteral("pre_tokenizer"), QJsonObject{{QStringLiteral("type"), QStringLiteral("ByteLevel")},
                                                        {QStringLiteral("add_prefix_space"), false},
                                                        {QStringLiteral("use_regex"), true}}},
          {QStringLiteral("post_processor"), QJsonValue()},
          {QStringLiteral("decoder"), QJsonObject{{QStringLiteral("type"), QStringLiteral("ByteLevel")}}},
          {QStringLiteral("model"), QJsonObject{{QStringLiteral("type"), QStringLiteral("BPE")},
                                                {QStringLiteral("vocab"), vocab},
                                                {QStringLiteral("merges"), QJsonArray()}}}};
}

class TinyModelFolder {
public:
  TinyModelFolder() {
    const QDir golden(QStringLiteral(HEADSCOPE_GOLDEN_DIR "/models/llama"));
    for (const QString& name : golden.entryList(QDir::Files))
      if (name != QStringLiteral("config.json")) QFile::copy(golden.filePath(name), folder_.filePath(name));
    QFile golden_config(golden.filePath(QStringLiteral("config.json")));
    if (!golden_config.open(QIODevice::ReadOnly)) return;
    QJsonObject config = QJsonDocument::fromJson(golden_config.readAll()).object();
    config[QStringLiteral("eos_token_id")] = QJsonValue(); // so that texts get as long as they were asked to
    ok_ =
        write(QStringLiteral("config.json"), config) && write(QStringLiteral("tokenizer.json"), letter_tokenizer(101));
  }
  bool ok() const { return ok_; }
  QString path() const { return folder_.path(); }

private:
  bool write(const QString& name, const QJsonObject& json) const {
    QFile file(folder_.filePath(name));
    return file.open(QIODevice::WriteOnly) && file.write(QJsonDocument(json).toJson()) > 0;
  }

  QTemporaryDir folder_;
  bool ok_ = false;
};

} // namespace headscope::gui::test
