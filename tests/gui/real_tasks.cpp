// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/gui/real_tasks.h"

#include <QAbstractItemView>
#include <QClipboard>
#include <QComboBox>
#include <QDir>
#include <QFileDialog>
#include <QFileInfo>
#include <QScreen>
#include <QScrollArea>
#include <QScrollBar>

#include "app/gui/window/prompt_edit.h"
#include "core/plant/plant.h"
#include "tests/gui/tiny_model.h"
#include "tests/timed.h"

namespace headscope::gui::test {

double font_scale() { return qEnvironmentVariable("HEADSCOPE_TEST_FONT", QStringLiteral("1")).toDouble(); }

namespace {

constexpr double longest_stall_ms = 50.0;

// Qt writes no title of a dialog that is to be found by: the one that is modal is meant.
QFileDialog* file_dialog() { return qobject_cast<QFileDialog*>(QApplication::activeModalWidget()); }

QTemporaryDir& shared_folder() {
  static QTemporaryDir folder;
  return folder;
}

} // namespace

QString RealTask::planted_model() {
  const QString path = shared_folder().filePath(QStringLiteral("planted"));
  if (!QFileInfo::exists(path + QStringLiteral("/config.json"))) {
    const auto written = plant::write_plant(path.toStdString(), {}, true);
    must(written.ok(), QStringLiteral("the planted model was not written"));
  }
  return path;
}

QString RealTask::tiny_model() {
  return QString::fromStdString(make_tiny_model(shared_folder().filePath(QStringLiteral("tiny")).toStdString()));
}

RealTask::RealTask() : hand_(std::make_unique<RealHand>()) {}

RealTask::~RealTask() {
  close_window();
  hand_.reset();
}

// A failed test leaves what was on the screen.
void RealTask::TearDown() {
  if (!HasFailure() || !window_) return;
  const QString path = QDir::temp().filePath(QStringLiteral("headscope-failed-task.png"));
  in_window([&] { window_->screen()->grabWindow(0).save(path); });
  std::printf("[ picture  ] %s\n", qPrintable(path));
}

void RealTask::open_window(const QString& session) {
  in_window([&] {
    window_ = std::make_unique<MainWindow>(session);
    window_->set_look(Theme::light, font_scale());
    const QRect screen = window_->screen()->availableGeometry();
    window_->resize(screen.size());
    window_->fit_into(screen);
    window_->show();
  });
  until("the window to be active", [this] { return window_->isActiveWindow(); });
  until("the window to be wholly on the screen",
        [this] { return window_->screen()->geometry().contains(window_->frameGeometry()); });
  in_window([this] { stall_ = std::make_unique<EventStall>(); }); // from when a user can do something
}

// A dialog of a test that has failed still runs its own loop: the window goes when that has ended.
void RealTask::close_window() {
  until("dialogs to close", [] {
    QWidget* dialog =
        QApplication::activePopupWidget() ? QApplication::activePopupWidget() : QApplication::activeModalWidget();
    if (dialog) dialog->close();
    return !dialog;
  });
  in_window([this] {
    stall_.reset();
    window_.reset();
  });
}

void RealTask::settle() {
  const auto calm = [this] {
    if (!workspace().settled()) return false;
    for (const ViewKind& kind : all_views())
      if (const View* view = window_->view(kind.id); view->watched() && !view->settled()) return false;
    return true;
  };
  // What has been posted meanwhile, such as a layout, is done before the next look.
  for (int looks = 0; looks < 3;)
    if (in_window(calm))
      ++looks;
    else {
      until("the window to come to rest", calm);
      looks = 0;
    }
}

// ---- What a user does

void RealTask::open_by_dialog(const QString& path, By by) {
  if (by == By::click)
    click_button(*window_, QStringLiteral("Open a model or result file…"));
  else
    hand().key("ctrl+o");
  until("the dialog", [] { return file_dialog() && file_dialog()->isActiveWindow(); });
  // A list of completions that comes up late may take the key for itself, or put another path there.
  const auto typed = [&path] {
    const auto* field = file_dialog() ? file_dialog()->findChild<QLineEdit*>(QStringLiteral("fileNameEdit")) : nullptr;
    return field && field->text() == path;
  };
  for (bool open = true; open;) {
    hand().key("ctrl+a");
    hand().type(path);
    hand().key_until("Return", [&] { return !typed(); });
    open = in_window([] { return file_dialog() != nullptr; });
  }
  until("the window to be active", [this] { return window_->isActiveWindow(); });
}

void RealTask::paste(const QString& text) {
  in_window([&] { QGuiApplication::clipboard()->setText(text); });
  hand().key("ctrl+v");
}

void RealTask::open_model(const QString& folder, By by) {
  open_by_dialog(folder + QStringLiteral("/config.json"), by);
  until("the model", [&] { return workspace().model() && workspace().model()->path == folder.toStdString(); });
  settle();
}

void RealTask::type_prompt(const QString& text) {
  until("the prompt to have the keyboard",
        [this] { return qobject_cast<PromptEdit*>(QApplication::focusWidget()) != nullptr; });
  hand().type(text);
  hand().key("Return");
  until("the prompt to be taken",
        [&] { return workspace().live() && workspace().prompt().request().text == text.toStdString(); });
  settle();
}

void RealTask::go_to_tab(const char* id, bool and_settle) {
  View* view = in_window([&] { return window_->view(QString::fromLatin1(id)); });
  if (in_window([view] { return view->watched(); })) return;
  auto* bar = find<QTabBar>(window(), [view](QTabBar& each) {
    for (int i = 0; i < each.count(); ++i)
      if (each.tabText(i) == view->title()) return true;
    return false;
  });
  hand().click(*bar, [bar, view] {
    for (int i = 0; i < bar->count(); ++i)
      if (bar->tabText(i) == view->title()) return bar->tabRect(i).center();
    return QPoint();
  });
  until("the view", [view] { return view->watched(); });
  if (and_settle) settle();
}

void RealTask::export_view(const QString& folder, const QString& name) {
  hand().key("ctrl+e");
  QWidget* dialog = nullptr;
  until("the dialog", [&] {
    dialog = QApplication::activeModalWidget();
    return dialog && dialog->objectName() == QStringLiteral("export") && dialog->isActiveWindow();
  });
  for (const auto& [field, text] : {std::pair("folder", folder), {"name", name}}) {
    until(field, [&] {
      return QApplication::focusWidget() && QApplication::focusWidget()->objectName() == QLatin1String(field);
    });
    hand().key("ctrl+a");
    hand().type(text);
    if (field == std::string("folder")) hand().keys("Tab", 2); // over the button that looks for one
  }
  hand().key("Return");
  until("the dialog to close", [this] { return !QApplication::activeModalWidget() && window_->isActiveWindow(); });
  settle();
}

void RealTask::click_button(QWidget& in, const QString& text) {
  auto* button = find<QAbstractButton>(in, [&](QAbstractButton& each) { return each.text().remove(u'&') == text; });
  // Left of the arrow, where it has one.
  hand().click(*button, [button] { return QPoint(8, button->height() / 2); });
}

void RealTask::choose(QWidget& widget, const QString& beginning) {
  auto& combo = dynamic_cast<QComboBox&>(widget);
  hand().click(combo);
  until("the list", [&] { return combo.view()->isVisible(); });
  QModelIndex index;
  in_window([&] {
    for (int i = 0; i < combo.count(); ++i)
      if (combo.itemText(i).startsWith(beginning))
        index = combo.model()->index(i, combo.modelColumn(), combo.rootModelIndex());
    must(index.isValid(), beginning);
  });
  hand().click(*combo.view()->viewport(), [&] { return combo.view()->visualRect(index).center(); });
  until("the choice", [&] { return combo.currentIndex() == index.row() && !combo.view()->isVisible(); });
}

void RealTask::expect_clicks(int most) {
  const double stall = in_window([this] { return stall_->longest_ms(); });
  std::printf("[ clicks   ] %d of %d; longest stall %.0f ms\n", hand().clicks(), most, stall);
  RecordProperty("clicks", hand().clicks());
  EXPECT_LE(hand().clicks(), most);
  if (headscope::test::timed()) {
    EXPECT_LE(stall, longest_stall_ms);
  }
  expect_no_scrolling();
}

void RealTask::expect_no_scrolling() {
  in_window([this] {
    for (const ViewKind& kind : all_views()) {
      const View* view = window().view(kind.id);
      const auto* dock = qobject_cast<const QScrollArea*>(view->parentWidget()->parentWidget());
      if (!view->watched()) continue;
      EXPECT_EQ(dock->verticalScrollBar()->maximum(), 0) << kind.id.toStdString() << " scrolls down";
      EXPECT_EQ(dock->horizontalScrollBar()->maximum(), 0) << kind.id.toStdString() << " scrolls sideways";
    }
  });
}

} // namespace headscope::gui::test
