// SPDX-License-Identifier: GPL-3.0-or-later
// A command line that the window lets people copy, run as a shell runs it.
#pragma once

#include <cmath>
#include <vector>

#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QProcess>

#include "tests/gui/patience.h"

namespace headscope::gui::test {

// What it prints with --json; empty, with a test failure, where it fails.
inline QJsonObject run_copied(const QString& command) {
  QProcess shell;
  QString line = command;
  const QString program = QStringLiteral("headscope ");
  if (!line.startsWith(program)) {
    QTest::qFail(qPrintable(QStringLiteral("no command: ") + command), __FILE__, __LINE__);
    return {};
  }
  line.replace(0, program.size() - 1, QStringLiteral("'" HEADSCOPE_BINARY_DIR "/bin/headscope'"));
  shell.start(QStringLiteral("sh"), {QStringLiteral("-c"), line + QStringLiteral(" --json")});
  const bool ended = shell.waitForFinished(patience_ms);
  if (!ended || shell.exitCode() != 0) {
    QTest::qFail((line.toUtf8() + '\n' + shell.readAllStandardError()).constData(), __FILE__, __LINE__);
    return {};
  }
  return QJsonDocument::fromJson(shell.readAllStandardOutput()).object();
}

// Rows of numbers, one after another; null is NaN.
inline std::vector<float> numbers_of(const QJsonValue& value) {
  if (!value.isArray()) return {value.isDouble() ? static_cast<float>(value.toDouble()) : std::nanf("")};
  std::vector<float> all;
  for (const QJsonValue& each : value.toArray())
    for (const float number : numbers_of(each))
      all.push_back(number);
  return all;
}

} // namespace headscope::gui::test
