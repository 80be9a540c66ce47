// SPDX-License-Identifier: GPL-3.0-or-later
// The list of plugins: those of this program, and refusals with their reasons.
#include <QAbstractItemModelTester>
#include <QTemporaryDir>

#include "app/gui/engine/detector_job.h"
#include "app/gui/window/plugins_dialog.h"
#include "tests/gui/patience.h"

namespace headscope::gui {

class PluginsTest : public QObject {
  Q_OBJECT
private:
  QTemporaryDir folder_;

  static QString text(const QAbstractItemModel& model, int row, int column) {
    return model.index(row, column).data().toString();
  }

private Q_SLOTS:
  void initTestCase() {
    qputenv("XDG_CACHE_HOME", folder_.path().toUtf8());
    qputenv("XDG_DATA_HOME", folder_.path().toUtf8());
    qputenv("HEADSCOPE_PLUGINS", folder_.filePath(QStringLiteral("nowhere")).toUtf8());
  }

  void a_plugin_is_loaded_or_refused_with_a_reason() {
    PluginListModel model;
    const QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
    model.set_plugins({{"good", "detector", "/p/good.json", "/p/good.so", true, "", {"one", "two"}},
                       {"bad", "", "/p/bad.json", "", false, "is no JSON", {}}});
    QCOMPARE(model.rowCount(), 2);
    QCOMPARE(text(model, 0, PluginListModel::state_column), QStringLiteral("loaded"));
    QCOMPARE(text(model, 0, PluginListModel::about_column), QStringLiteral("one, two"));
    QCOMPARE(text(model, 1, PluginListModel::state_column), QStringLiteral("refused"));
    QCOMPARE(text(model, 1, PluginListModel::about_column), QStringLiteral("is no JSON"));
    QCOMPARE(model.index(1, 0).data(Qt::ToolTipRole).toString(), QStringLiteral("/p/bad.json"));
    model.set_plugins({});
    QCOMPARE(model.rowCount(), 0);
  }

  void the_dialog_shows_what_this_program_found() {
    PluginsDialog dialog(list_plugins());
    dialog.show();
    const QAbstractItemModel& model = *dialog.table().model();
    QCOMPARE(model.rowCount(), 2);
    QCOMPARE(text(model, 0, PluginListModel::id_column), QStringLiteral("detectors"));
    QCOMPARE(text(model, 0, PluginListModel::state_column), QStringLiteral("loaded"));
    QVERIFY(text(model, 0, PluginListModel::about_column).contains(QStringLiteral("induction")));
    QCOMPARE(text(model, 1, PluginListModel::id_column), QStringLiteral("nowhere"));
    QCOMPARE(text(model, 1, PluginListModel::about_column), QStringLiteral("there is no such folder"));
    QCOMPARE(list_detectors().front().id, std::string("induction"));
  }
};

} // namespace headscope::gui

QTEST_MAIN(headscope::gui::PluginsTest)
#include "plugins_test.moc"
