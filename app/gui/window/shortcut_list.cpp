// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/window/shortcut_list.h"

#include <QAction>
#include <QCoreApplication>
#include <QShortcut>

#include "app/gui/style/keys.h"
#include "app/gui/views/view.h"

namespace headscope::gui {
namespace {

QString tr(const char* text) { return QCoreApplication::translate("ShortcutList", text); }

QString row(const QString& keys, const QString& what) { return QStringLiteral("| %1 | %2 |\n").arg(keys, what); }

// The text of an action as it stands in the menu, without the mark of its letter and the dots of a dialog.
QString plain(QString text) { return text.remove(QLatin1Char('&')).remove(QStringLiteral("…")); }

QString line(const QWidget& widget) {
  return QStringLiteral("- **%1:** %2\n").arg(widget.accessibleName(), keys_of(widget));
}

} // namespace

QString keys_in(const QWidget& part) {
  QStringList lines;
  if (!keys_of(part).isEmpty()) lines.append(line(part));
  for (const QWidget* widget : part.findChildren<QWidget*>())
    if (!keys_of(*widget).isEmpty()) lines.append(line(*widget));
  for (const QShortcut* shortcut : part.findChildren<QShortcut*>())
    if (!shortcut->whatsThis().isEmpty())
      lines.append(QStringLiteral("- **%1:** %2\n")
                       .arg(shortcut->key().toString(QKeySequence::NativeText), shortcut->whatsThis()));
  lines.removeDuplicates();
  return lines.join(QString());
}

QString shortcut_list(const QWidget& window, const std::vector<WindowKey>& window_keys) {
  QString text = tr("# Keys\n\n| key | what it does |\n|---|---|\n");
  for (const WindowKey& key : window_keys)
    text += row(key.name, key.what);
  for (const QAction* action : window.findChildren<QAction*>())
    for (const QKeySequence& keys : action->shortcuts())
      text += row(keys.toString(QKeySequence::NativeText), plain(action->text()));
  text += tr("\nKeys without Ctrl are letters and arrows like any other while a text field has the keyboard.\n");
  for (const View* view : window.findChildren<View*>())
    if (const QString keys = keys_in(*view); !keys.isEmpty())
      text += QStringLiteral("\n## %1\n\n%2").arg(view->title(), keys);
  QStringList others;
  for (const QWidget* widget : window.findChildren<QWidget*>()) {
    const QWidget* up = widget;
    while (up && !qobject_cast<const View*>(up))
      up = up->parentWidget();
    if (!up && !keys_of(*widget).isEmpty()) others.append(line(*widget));
  }
  return others.isEmpty() ? text : text + tr("\n## Prompt\n\n") + others.join(QString());
}

} // namespace headscope::gui
