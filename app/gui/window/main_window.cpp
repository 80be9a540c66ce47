// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/window/main_window.h"

#include <QAbstractSpinBox>
#include <QActionGroup>
#include <QApplication>
#include <QClipboard>
#include <QCloseEvent>
#include <QDesktopServices>
#include <QFileDialog>
#include <QFileInfo>
#include <QLineEdit>
#include <QMenuBar>
#include <QMessageBox>
#include <QMimeData>
#include <QPlainTextEdit>
#include <QScrollArea>
#include <QStatusBar>
#include <QTextEdit>
#include <QToolButton>
#include <QUrl>
#include <QVBoxLayout>

#include "app/gui/engine/detector_job.h"
#include "app/gui/window/export_dialog.h"
#include "app/gui/window/finder.h"
#include "app/gui/window/job_bar.h"
#include "app/gui/window/job_list.h"
#include "app/gui/window/message_bar.h"
#include "app/gui/window/plugins_dialog.h"
#include "app/gui/window/prompt_bar.h"
#include "app/gui/window/start_screen.h"

namespace headscope::gui {
namespace {

constexpr int layout_version = 2; // a layout saved with another version is ignored
constexpr double font_step = 1.1;
constexpr int save_after_ms = 500; // of a change: a kill loses no more than that

bool is_result(const QString& path) {
  return path.endsWith(QStringLiteral(".h5"), Qt::CaseInsensitive) ||
         path.endsWith(QStringLiteral(".hdf5"), Qt::CaseInsensitive);
}

} // namespace

MainWindow::MainWindow(const QString& session_file, QWidget* parent)
    : QMainWindow(parent), session_(session_file.isEmpty() ? Session{} : read_session(session_file)),
      session_file_(session_file), messages_(new MessageBar), start_(new StartScreen) {
  setWindowTitle(tr("Headscope"));
  setAcceptDrops(true);
  setDockNestingEnabled(true);
  setTabPosition(Qt::AllDockWidgetAreas, QTabWidget::North);
  // The message bar stands above everything that is docked.
  auto* messages = new QToolBar(tr("Messages"));
  messages->setObjectName(QStringLiteral("messages"));
  messages->setMovable(false);
  messages->addWidget(messages_);
  messages->toggleViewAction()->setVisible(false);
  setCentralWidget(start_);
  make_views();
  make_menus();
  addToolBar(Qt::TopToolBarArea, messages);
  add_prompt_bar();
  statusBar()->addPermanentWidget(new JobBar(workspace_.files()));
  statusBar()->addPermanentWidget(new JobBar(workspace_.engine()));
  add_job_list();
  connect(&workspace_, &Workspace::failed, messages_, &MessageBar::show_error);
  connect(&workspace_, &Workspace::noted, messages_, &MessageBar::show_note);
  connect(&workspace_, &Workspace::view_wanted, this, &MainWindow::raise_view);
  messages->hide();
  connect(messages_, &MessageBar::wanted, messages, &QWidget::setVisible);
  connect(messages_, &MessageBar::log_wanted, this, [this] {
    QDesktopServices::openUrl(QUrl::fromLocalFile(QFileInfo(session_path()).path() + QStringLiteral("/log.txt")));
  });
  connect(start_, &StartScreen::open_wanted, this, &MainWindow::open_path);
  connect(start_, &StartScreen::dialog_wanted, this, &MainWindow::open_dialog);
  connect(&workspace_, &Workspace::model_changed, this, &MainWindow::take_up_rest);
  // What one wants to do with a model that has just been opened is to type.
  connect(&workspace_, &Workspace::model_changed, prompt_, &PromptBar::focus_text);
  for (const auto signal : {&Workspace::model_changed, &Workspace::result_changed}) {
    connect(&workspace_, signal, this, &MainWindow::update_start_screen);
    connect(&workspace_, signal, this, &MainWindow::show_title);
  }
  connect(&workspace_, &Workspace::in_force_changed, this, &MainWindow::save_soon);
  connect(&workspace_.selection(), &Selection::heads_changed, this, &MainWindow::save_soon);
  save_timer_.setSingleShot(true);
  save_timer_.setInterval(save_after_ms);
  connect(&save_timer_, &QTimer::timeout, this, &MainWindow::save_session);
  set_look(session_.theme, session_.font_scale);
  resize(1280, 800);
  reset_layout();
  if (!session_.geometry.isEmpty()) restoreGeometry(session_.geometry);
  if (!session_.layout.isEmpty()) restoreState(session_.layout, layout_version);
  show_recent();
  update_start_screen();
}

MainWindow::~MainWindow() = default;

void MainWindow::add_job_list() {
  auto* button = new QToolButton;
  button->setText(tr("Jobs"));
  button->setToolTip(tr("All that is computed or waits to be"));
  auto* list = new JobList({&workspace_.files(), &workspace_.engine()}, this);
  list->setObjectName(QStringLiteral("job-list"));
  connect(button, &QToolButton::clicked, list, [button, list] { list->open_above(*button); });
  statusBar()->addPermanentWidget(button);
}

void MainWindow::add_prompt_bar() {
  prompt_bar_ = new QToolBar(tr("Prompt"));
  prompt_bar_->setObjectName(QStringLiteral("prompt"));
  prompt_bar_->setMovable(false);
  prompt_ = new PromptBar(workspace_);
  prompt_bar_->addWidget(prompt_);
  prompt_bar_->toggleViewAction()->setVisible(false);
  addToolBarBreak(Qt::TopToolBarArea);
  addToolBar(Qt::TopToolBarArea, prompt_bar_);
}

void MainWindow::make_views() {
  for (const ViewKind& kind : all_views()) {
    View* view = kind.make(workspace_, this);
    auto* dock = new QDockWidget(view->title(), this);
    dock->setObjectName(QStringLiteral("dock-") + view->id());
    // On a small screen a view that needs more room scrolls, so that it does not make the window wider than the screen.
    auto* scroll = new QScrollArea;
    scroll->setFrameShape(QFrame::NoFrame);
    scroll->setWidgetResizable(true);
    scroll->setFocusPolicy(Qt::NoFocus);
    scroll->setWidget(view);
    dock->setWidget(scroll);
    connect(dock, &QDockWidget::visibilityChanged, view, [view](bool in_front) { view->set_covered(!in_front); });
    docks_[view->id()] = dock;
    views_.push_back(view);
  }
}

void MainWindow::reset_layout() {
  std::map<DockColumn, QDockWidget*> first;
  for (const ViewKind& kind : all_views()) {
    docks_[kind.id]->setFloating(false);
    removeDockWidget(docks_[kind.id]);
    first.try_emplace(kind.place, docks_[kind.id]);
  }
  // Docks the first view of each place side by side, then the others as their tabs: a dock added beside tabs would
  // become one of them.
  for (const auto& [place, dock] : first) {
    const bool beside = place == DockColumn::right && first.count(DockColumn::center) > 0;
    if (beside)
      splitDockWidget(first[DockColumn::center], dock, Qt::Horizontal);
    else
      addDockWidget(place == DockColumn::left ? Qt::LeftDockWidgetArea : Qt::RightDockWidgetArea, dock);
    dock->show();
  }
  for (const ViewKind& kind : all_views()) {
    QDockWidget* dock = docks_[kind.id];
    if (dock == first[kind.place]) continue;
    tabifyDockWidget(first[kind.place], dock);
    dock->show();
  }
  QList<QDockWidget*> docks;
  QList<int> widths;
  for (const auto& [place, dock] : first) {
    dock->raise();
    docks.append(dock);
    widths.append(place == DockColumn::center ? 480 : 400);
  }
  resizeDocks(docks, widths, Qt::Horizontal);
}

View* MainWindow::view(const QString& id) const {
  const auto found = std::find_if(views_.begin(), views_.end(), [&](const View* v) { return v->id() == id; });
  return found == views_.end() ? nullptr : *found;
}

void MainWindow::raise_view(const QString& id) {
  const auto found = docks_.find(id);
  if (found == docks_.end()) return;
  found->second->show();
  found->second->raise();
}

void MainWindow::show_only(const QString& id) {
  for (const auto& [name, dock] : docks_)
    dock->setVisible(name == id);
}

// The view that has the focus, otherwise the one on top in the middle.
View* MainWindow::current_view() const {
  for (QWidget* widget = QApplication::focusWidget(); widget; widget = widget->parentWidget())
    if (auto* focused = qobject_cast<View*>(widget)) return focused;
  for (const ViewKind& kind : all_views())
    if (kind.place == DockColumn::center && !view(kind.id)->visibleRegion().isEmpty()) return view(kind.id);
  return views_.empty() ? nullptr : views_.front();
}

void MainWindow::set_look(Theme theme, double font_scale) {
  session_.theme = theme;
  session_.font_scale = font_scale;
  apply_theme(theme, font_scale);
  save_soon();
}

void MainWindow::open_path(const QString& path) {
  if (is_result(path))
    workspace_.open_result(path);
  else
    workspace_.open_model({path.toStdString(), "float32", "cpu"});
  session_.add_recent(path);
  show_recent();
  save_soon();
}

void MainWindow::open_dialog() {
  const QString path = QFileDialog::getOpenFileName(
      this, tr("Open a model or a result file"), {},
      tr("Models and results (*.gguf *.h5 *.hdf5 *.safetensors config.json);;All files (*)"));
  if (path.isEmpty()) return;
  // A file in a Hugging Face folder means the folder.
  const QFileInfo file(path);
  const bool of_folder =
      file.suffix() == QStringLiteral("safetensors") || file.fileName() == QStringLiteral("config.json");
  open_path(of_folder ? file.absolutePath() : path);
}

void MainWindow::update_start_screen() {
  const bool empty = !workspace_.model() && !workspace_.result();
  start_->setVisible(empty);
  prompt_bar_->setVisible(!empty);
  for (const auto& [id, dock] : docks_)
    if (empty) dock->hide();
  const auto hidden = [](const auto& dock) { return dock.second->isHidden(); };
  if (!empty && std::all_of(docks_.begin(), docks_.end(), hidden)) reset_layout();
}

void MainWindow::show_title() {
  QStringList parts;
  if (workspace_.model()) parts.append(QString::fromStdString(workspace_.model()->name));
  if (workspace_.result()) parts.append(QFileInfo(QString::fromStdString(workspace_.result()->path)).fileName());
  parts.append(tr("Headscope"));
  setWindowTitle(parts.join(QStringLiteral(" — ")));
}

void MainWindow::step_head(int layers, int heads) {
  const auto head = workspace_.selection().head();
  if (!head || workspace_.n_layers() == 0) return;
  workspace_.selection().set_head({std::clamp(head->layer + layers, 0, workspace_.n_layers() - 1),
                                   std::clamp(static_cast<int>(head->head) + heads, 0, workspace_.n_heads() - 1)});
}

void MainWindow::find() {
  auto* finder = new Finder(workspace_, this);
  finder->setAttribute(Qt::WA_DeleteOnClose);
  finder->open();
}

namespace {

// A key that a text field has not used, such as an arrow at the end of its text, is still meant for the field.
bool typing() {
  const QWidget* focus = QApplication::focusWidget();
  return qobject_cast<const QLineEdit*>(focus) || qobject_cast<const QAbstractSpinBox*>(focus) ||
         qobject_cast<const QTextEdit*>(focus) || qobject_cast<const QPlainTextEdit*>(focus);
}

} // namespace

// Handles keys that no view or input field has used.
void MainWindow::keyPressEvent(QKeyEvent* event) {
  if (typing()) return QMainWindow::keyPressEvent(event);
  switch (event->key()) {
  case Qt::Key_Up: return step_head(-1, 0);
  case Qt::Key_Down: return step_head(1, 0);
  case Qt::Key_Left: return step_head(0, -1);
  case Qt::Key_Right: return step_head(0, 1);
  case Qt::Key_A:
    if (event->modifiers() == Qt::NoModifier && workspace_.selection().head())
      return workspace_.ablation().toggle(*workspace_.selection().head());
    break;
  case Qt::Key_Slash: return find();
  default: break;
  }
  QMainWindow::keyPressEvent(event);
}

void MainWindow::dragEnterEvent(QDragEnterEvent* event) {
  if (event->mimeData()->hasUrls()) event->acceptProposedAction();
}

void MainWindow::dropEvent(QDropEvent* event) {
  for (const QUrl& url : event->mimeData()->urls())
    if (url.isLocalFile()) open_path(url.toLocalFile());
}

void MainWindow::copy_picture() {
  View* view = current_view();
  if (!view) return;
  const std::optional<ViewExport> content = view->exported();
  if (!content) {
    QApplication::clipboard()->setPixmap(view->grab());
    return;
  }
  const Result<QImage> picture = picture_of(*content, is_dark(), devicePixelRatioF() * 2);
  if (picture.ok())
    QApplication::clipboard()->setImage(*picture);
  else
    workspace_.report(tr("Copy"), picture.error());
}

// ---- Menus

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
}

void MainWindow::make_view_menu() {
  view_menu_ = menuBar()->addMenu(tr("&View"));
  for (const View* view : views_)
    view_menu_->addAction(docks_[view->id()]->toggleViewAction());
  view_menu_->addSeparator();
  view_menu_->addAction(tr("&Reset layout"), this, &MainWindow::reset_layout);
  QMenu* themes = view_menu_->addMenu(tr("&Theme"));
  auto* group = new QActionGroup(this);
  const std::pair<QString, Theme> choices[] = {
      {tr("As the &system"), Theme::system}, {tr("&Light"), Theme::light}, {tr("&Dark"), Theme::dark}};
  for (const auto& [name, theme] : choices) {
    QAction* action = themes->addAction(name, this, [this, theme = theme] { set_look(theme, session_.font_scale); });
    action->setCheckable(true);
    action->setChecked(theme == session_.theme);
    group->addAction(action);
  }
  const auto scale_font = [this](double by) {
    set_look(session_.theme, std::clamp(session_.font_scale * by, 0.5, 3.0));
  };
  view_menu_->addAction(tr("&Larger text"), QKeySequence::ZoomIn, this, [scale_font] { scale_font(font_step); });
  view_menu_->addAction(tr("S&maller text"), QKeySequence::ZoomOut, this,
                        [scale_font] { scale_font(1.0 / font_step); });
}

void MainWindow::make_help_menu() {
  QMenu* menu = menuBar()->addMenu(tr("&Help"));
  menu->addAction(tr("&Keys"), this, [this] {
    QMessageBox::information(this, tr("Keys"),
                             tr("Arrows: to the next layer or head\nA: ablate the head, or put it back\n"
                                "/: find a head or a token\nCtrl+Z, Ctrl+Shift+Z: undo and redo\n"
                                "Ctrl+E: export the view\nCtrl+.: cancel jobs"));
  });
  menu->addAction(tr("&Plugins…"), this, [this] {
    auto* dialog = new PluginsDialog(list_plugins(), this);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->open();
  });
  menu->addAction(tr("&About Headscope"), this, [this] {
    QMessageBox::about(this, tr("About Headscope"),
                       tr("Headscope %1\nA mechanistic interpretability workbench.\nGPL-3.0-or-later")
                           .arg(QCoreApplication::applicationVersion()));
  });
}

void MainWindow::show_recent() {
  recent_->clear();
  for (const QString& path : session_.recent)
    recent_->addAction(path, this, [this, path] { open_path(path); });
  recent_->setEnabled(!session_.recent.isEmpty());
  start_->set_recent(session_.recent);
}

// ---- Session

void MainWindow::restore_session() {
  resuming_ = !session_.model.isEmpty();
  if (!session_.result.isEmpty()) workspace_.open_result(session_.result);
  if (resuming_) workspace_.open_model({session_.model.toStdString(), "float32", "cpu"});
}

// Restores the parts of the session that need the model.
void MainWindow::take_up_rest() {
  if (!std::exchange(resuming_, false)) return;
  const auto fits = [this](HeadId head) {
    return head.layer < workspace_.n_layers() && head.head < workspace_.n_heads();
  };
  if (!session_.heads.empty() && std::all_of(session_.heads.begin(), session_.heads.end(), fits))
    workspace_.selection().set_heads(session_.heads);
  const auto& out = session_.ablated;
  if (!out.empty() && std::all_of(out.begin(), out.end(), [&](const AblatedHead& a) { return fits(a.head); }))
    workspace_.ablation().set_heads(out, tr("heads of the session before"));
  if (!session_.prompt.text.empty()) workspace_.set_prompt(session_.prompt);
}

Session MainWindow::current_session() const {
  Session session = session_;
  const Workspace& workspace = workspace_;
  session.result = workspace.result() ? QString::fromStdString(workspace.result()->path) : QString();
  if (!resuming_) { // else what is to be taken up is still that of the session
    session.model = workspace.model() ? QString::fromStdString(workspace.model()->path) : QString();
    session.prompt = workspace.prompt().stored_id().empty() ? workspace.prompt().request() : PromptRequest{};
    session.heads = workspace.selection().heads();
    session.ablated = workspace.ablation().heads();
  }
  session.geometry = saveGeometry();
  session.layout = saveState(layout_version);
  return session;
}

// Not put off by further changes: what is done without a pause is saved too.
void MainWindow::save_soon() {
  if (!session_file_.isEmpty() && !save_timer_.isActive()) save_timer_.start();
}

void MainWindow::save_session() const {
  if (!session_file_.isEmpty()) write_session(session_file_, current_session());
}

void MainWindow::moveEvent(QMoveEvent* event) {
  QMainWindow::moveEvent(event);
  save_soon();
}

void MainWindow::resizeEvent(QResizeEvent* event) {
  QMainWindow::resizeEvent(event);
  save_soon();
}

void MainWindow::closeEvent(QCloseEvent* event) {
  save_timer_.stop();
  save_session();
  workspace_.engine().cancel_all();
  workspace_.files().cancel_all();
  QMainWindow::closeEvent(event);
}

} // namespace headscope::gui
