// SPDX-License-Identifier: GPL-3.0-or-later
// The menus of the main window and the dialogs that they open.
#include <QDir>
#include <QFileInfo>
#include <QMenuBar>
#include <QStandardPaths>

#include "app/gui/engine/detector_job.h"
#include "app/gui/help/about_dialog.h"
#include "app/gui/help/help_window.h"
#include "app/gui/window/dock_layout.h"
#include "app/gui/window/export_dialog.h"
#include "app/gui/window/main_window.h"
#include "app/gui/window/plugins_dialog.h"
#include "app/gui/window/preferences_dialog.h"
#include "app/gui/window/prompt_bar.h"
#include "app/gui/window/selection_link.h"
#include "app/gui/window/tour.h"

namespace headscope::gui {
namespace {

constexpr double font_step = 1.1;

// As core/model/model_store.h has them.
QString model_folders() {
  QStringList folders;
  if (const QString set = qEnvironmentVariable("HEADSCOPE_MODELS"); !set.isEmpty()) folders.append(set);
  folders.append(QDir::cleanPath(QCoreApplication::applicationDirPath() + QStringLiteral("/../models")));
  folders.append(QStandardPaths::writableLocation(QStandardPaths::GenericDataLocation) +
                 QStringLiteral("/headscope/models"));
  folders.removeDuplicates();
  return folders.join(QLatin1Char('\n'));
}

} // namespace

void MainWindow::make_menus() {
  make_file_menu();
  make_edit_menu();
  make_view_menu();
  make_help_menu();
}

void MainWindow::make_file_menu() {
  QMenu* menu = menuBar()->addMenu(tr("&File"));
  menu->addAction(tr("&Open…"), QKeySequence::Open, this, &MainWindow::open_dialog);
  menu->addAction(tr("Open the &default model"), this, [this] { open_path(QStringLiteral("smollm2")); });
  recent_ = menu->addMenu(tr("Open &recent"));
  menu->addMenu(make_beside_menu());
  menu->addSeparator();
  menu->addAction(tr("&Export the view…"), QKeySequence(Qt::CTRL | Qt::Key_E), this, [this] {
    if (View* view = current_view()) export_view(*view, workspace_, this);
  });
  menu->addAction(tr("Cancel &jobs"), QKeySequence(Qt::CTRL | Qt::Key_Period), this, [this] {
    workspace_.engine().cancel_all();
    workspace_.files().cancel_all();
  });
  menu->addAction(tr("Close the result &file"), &workspace_, &Workspace::close_result);
  menu->addSeparator();
  menu->addAction(tr("&Quit"), QKeySequence::Quit, this, &QWidget::close);
}

// A second model in a window of its own, with what is looked at here.
QMenu* MainWindow::make_beside_menu() {
  auto* menu = new QMenu(tr("Open &beside"), this);
  menu->addAction(tr("A &model…"), this, [this] { ask_for_file(true); });
  const auto beside = [this](const QString& model) { open_beside(model, session_.dtype, session_.device); };
  menu->addAction(tr("The &default model"), this, [beside] { beside(QStringLiteral("smollm2")); });
  QAction* same = menu->addAction(tr("&This model again"), this, [this, beside] {
    if (workspace_.model()) beside(QString::fromStdString(workspace_.model()->path));
  });
  connect(menu, &QMenu::aboutToShow, same, [this, same] { same->setEnabled(workspace_.model().has_value()); });
  return menu;
}

void MainWindow::make_edit_menu() {
  QMenu* menu = menuBar()->addMenu(tr("&Edit"));
  QAction* undo = workspace_.undo().createUndoAction(this, tr("&Undo"));
  undo->setShortcut(QKeySequence::Undo);
  QAction* redo = workspace_.undo().createRedoAction(this, tr("&Redo"));
  redo->setShortcut(QKeySequence::Redo);
  menu->addActions({undo, redo});
  menu->addSeparator();
  menu->addAction(tr("&Find a head or token…"), QKeySequence::Find, this, &MainWindow::find);
  menu->addAction(tr("&Copy the view as a picture"), QKeySequence(Qt::CTRL | Qt::SHIFT | Qt::Key_C), this,
                  &MainWindow::copy_picture);
  menu->addSeparator();
  menu->addAction(tr("Pre&ferences…"), QKeySequence(Qt::CTRL | Qt::Key_Comma), this, &MainWindow::show_preferences);
}

void MainWindow::make_view_menu() {
  view_menu_ = menuBar()->addMenu(tr("&View"));
  for (const View* view : views_)
    view_menu_->addAction(layout_->dock(view->id())->toggleViewAction());
  view_menu_->addSeparator();
  QMenu* go = view_menu_->addMenu(tr("&Go to"));
  for (std::size_t i = 0; i < views_.size(); ++i) {
    QAction* action = go->addAction(views_[i]->title(), this, [this, id = views_[i]->id()] { go_to(id); });
    if (i < 10) action->setShortcut(QKeySequence(Qt::CTRL | static_cast<Qt::Key>(Qt::Key_0 + (i + 1) % 10)));
  }
  go->addAction(tr("Prompt"), QKeySequence(Qt::CTRL | Qt::Key_L), prompt_, &PromptBar::focus_text);
  link_action_ = view_menu_->addAction(tr("Selection follows the window &beside"));
  link_action_->setObjectName(QStringLiteral("link"));
  link_action_->setCheckable(true);
  link_action_->setEnabled(false); // until there is one
  connect(link_action_, &QAction::triggered, this, [this](bool on) { link_->set_on(on); });
  view_menu_->addAction(tr("&Reset layout"), this, &MainWindow::reset_layout);
  const auto scale_font = [this](double by) {
    set_look(session_.theme, std::clamp(session_.font_scale * by, 0.5, 3.0));
  };
  view_menu_->addAction(tr("&Larger text"), QKeySequence::ZoomIn, this, [scale_font] { scale_font(font_step); });
  view_menu_->addAction(tr("S&maller text"), QKeySequence::ZoomOut, this,
                        [scale_font] { scale_font(1.0 / font_step); });
}

void MainWindow::make_help_menu() {
  QMenu* menu = menuBar()->addMenu(tr("&Help"));
  menu->addAction(tr("&This view"), QKeySequence::HelpContents, this, [this] {
    const View* view = current_view();
    show_help(view ? view->id() : QStringLiteral("words"));
  });
  menu->addAction(tr("&Heads and hook points"), this, [this] { show_help(QStringLiteral("words")); });
  menu->addAction(tr("&Keys"), QKeySequence(Qt::CTRL | Qt::Key_F1), this,
                  [this] { show_help(QStringLiteral("keys")); });
  menu->addAction(tr("&Tour of one minute"), this, &MainWindow::start_tour);
  menu->addSeparator();
  menu->addAction(tr("The &model…"), this, &MainWindow::show_model_card);
  menu->addAction(tr("&Plugins…"), this, [this] { open_once(new PluginsDialog(list_plugins(), this)); });
  menu->addAction(tr("&About Headscope"), this, [this] { open_once(new AboutDialog(this)); });
}

// Shows a dialog that nothing waits for.
void MainWindow::open_once(QDialog* dialog) {
  dialog->setAttribute(Qt::WA_DeleteOnClose);
  dialog->open();
}

void MainWindow::show_help(const QString& topic) {
  if (!help_) {
    std::vector<HelpTopic> topics;
    for (const View* view : views_) {
      QString page = help_page(view->id());
      if (const QString keys = keys_in(*view); !keys.isEmpty()) page += tr("\n## Keys\n\n") + keys;
      topics.push_back({view->id(), view->title(), page});
    }
    topics.push_back({QStringLiteral("words"), tr("Heads and hook points"), help_page(QStringLiteral("words"))});
    topics.push_back({QStringLiteral("keys"), tr("Keys"), shortcut_list(*this, keys_)});
    help_ = new HelpWindow(std::move(topics), this);
    help_->setAttribute(Qt::WA_DeleteOnClose);
  }
  help_->show_topic(topic);
  help_->show();
  help_->raise();
}

void MainWindow::start_tour() {
  delete tour_;
  tour_ = new Tour(tour_steps(*this), this);
}

void MainWindow::show_preferences() {
  auto* dialog =
      new PreferencesDialog({session_.theme, session_.font_scale, session_.dtype, session_.device, session_.colors,
                             session_.cache_mib, QFileInfo(session_path()).path(), model_folders()},
                            this);
  connect(this, &MainWindow::cache_known, dialog, &PreferencesDialog::show_cache);
  connect(dialog, &PreferencesDialog::clear_wanted, this, &MainWindow::clear_kept);
  set_cache(session_.cache_mib); // says what is in use
  connect(dialog, &PreferencesDialog::changed, this, [this](const Preferences& wanted) {
    if (wanted.theme != session_.theme || wanted.font_scale != session_.font_scale)
      set_look(wanted.theme, wanted.font_scale);
    if (wanted.colors != session_.colors) set_colors(wanted.colors);
    if (wanted.cache_mib != session_.cache_mib) set_cache(wanted.cache_mib);
    set_loading(wanted.dtype, wanted.device);
  });
  open_once(dialog);
}

} // namespace headscope::gui
