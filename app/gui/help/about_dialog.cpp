// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/help/about_dialog.h"

#include <QDialogButtonBox>
#include <QTextBrowser>
#include <QVBoxLayout>

#include "app/gui/engine/machine.h"

namespace headscope::gui {
namespace {

struct Licence {
  const char* library;
  const char* licence;
};

// Of the libraries and tables that the window is built from.
constexpr Licence licences[] = {
    {"Headscope", "GPL-3.0-or-later"},
    {"Qt 6 (Widgets, Gui, Core, Svg)", "LGPL-3.0"},
    {"Qt 6 Charts", "GPL-3.0"},
    {"LibTorch", "BSD-3-Clause"},
    {"HDF5", "BSD-3-Clause (HDF5)"},
    {"nlohmann/json", "MIT"},
    {"CLI11", "BSD-3-Clause"},
    {"spdlog and fmt", "MIT"},
    {"utf8proc", "MIT"},
    {"PCRE2", "BSD-3-Clause"},
    {"SentencePiece", "Apache-2.0"},
    {"OpenSSL (Crypto)", "Apache-2.0"},
    {"zlib", "Zlib"},
    {"Viridis colours (matplotlib)", "CC0"},
    {"Vik colours (Crameri)", "MIT"},
};

} // namespace

QString AboutDialog::text() {
  QString text = tr("# Headscope\n\nA mechanistic interpretability workbench for the attention heads of language "
                    "models.\n\n## Versions\n\n| | |\n|---|---|\n");
  const QString row = QStringLiteral("| %1 | %2 |\n");
  for (const NamedChoice& each : component_versions())
    text += row.arg(QString::fromStdString(each.name), QString::fromStdString(each.what));
  text += row.arg(QStringLiteral("Qt"), QString::fromLatin1(qVersion()));
  text += tr("\n## Licences\n\n| | |\n|---|---|\n");
  for (const Licence& each : licences)
    text += row.arg(QLatin1String(each.library), QLatin1String(each.licence));
  return text;
}

AboutDialog::AboutDialog(QWidget* parent) : QDialog(parent) {
  setWindowTitle(tr("About Headscope"));
  auto* page = new QTextBrowser;
  page->setMarkdown(text());
  page->setAccessibleName(tr("Versions and licences"));
  auto* buttons = new QDialogButtonBox(QDialogButtonBox::Close);
  connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
  auto* column = new QVBoxLayout(this);
  column->addWidget(page);
  column->addWidget(buttons);
  resize(70 * fontMetrics().averageCharWidth(), 32 * fontMetrics().lineSpacing());
}

} // namespace headscope::gui
