// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/window/main_window.h"

#include <QAbstractSpinBox>
#include <QApplication>
#include <QClipboard>
#include <QCloseEvent>
#include <QDesktopServices>
#include <QFileDialog>
#include <QFileInfo>
#include <QLineEdit>
#include <QMenuBar>
#include <QMimeData>
#include <QPlainTextEdit>
#include <QShortcut>
#include <QStatusBar>
#include <QTextEdit>
#include <QUrl>
#include <QVBoxLayout>

#include "app/gui/window/dock_layout.h"
#include "app/gui/window/export_dialog.h"
#include "app/gui/window/finder.h"
#include "app/gui/window/job_bar.h"
#include "app/gui/window/job_list.h"
#include "app/gui/window/loading_fields.h"
#include "app/gui/window/message_bar.h"
#include "app/gui/window/model_banner.h"
#include "app/gui/window/model_card.h"
#include "app/gui/window/prompt_bar.h"
#include "app/gui/window/selection_link.h"
#include "app/gui/window/start_screen.h"
#include "app/gui/window/tour.h"

namespace headscope::gui {
namespace {

constexpr int layout_version = 3;  // a layout saved with another version is ignored
constexpr int save_after_ms = 500; // of a change: a kill loses no more than that

bool is_result(const QString& path) {
  return path.endsWith(QStringLiteral(".h5"), Qt::CaseInsensitive) ||
         path.endsWith(QStringLiteral(".hdf5"), Qt::CaseInsensitive);
}

QString kept_folder(const QString& session_file) {
  const QFileInfo file(session_file);
  return QStringLiteral("%1/%2-results").arg(file.absolutePath(), file.completeBaseName());
}

// Before anything is made, so that all that is made has its sizes by that text.
Session look_of(Session session) {
  apply_theme(session.theme, session.font_scale);
  return session;
}

} // namespace

MainWindow::MainWindow(const QString& session_file, QWidget* parent)
    : MainWindow(session_file.isEmpty() ? Session{} : read_session(session_file), session_file, parent) {}

MainWindow::MainWindow(Session session, const QString& session_file, QWidget* parent)
    : QMainWindow(parent), session_(look_of(std::move(session))), session_file_(session_file),
      layout_(new DockLayout(*this)), messages_(new MessageBar), start_(new StartScreen) {
  setWindowTitle(tr("Headscope"));
  setAcceptDrops(true);
  setDockNestingEnabled(true);
  setTabPosition(Qt::AllDockWidgetAreas, QTabWidget::North);
  setCentralWidget(start_);
  make_views();
  make_keys();
  add_banner();
  add_prompt_bar();
  make_menus();
  add_model_button();
  statusBar()->addWidget(messages_, 1);
  add_attention_button();
  statusBar()->addPermanentWidget(new JobBar(workspace_.files()));
  statusBar()->addPermanentWidget(new JobBar(workspace_.engine()));
  add_job_list();
  connect(&workspace_, &Workspace::failed, messages_, &MessageBar::show_error);
  connect(&workspace_, &Workspace::noted, messages_, &MessageBar::show_note);
  connect(&workspace_, &Workspace::view_wanted, this, &MainWindow::raise_view);
  connect(messages_, &MessageBar::log_wanted, this, [this] {
    QDesktopServices::openUrl(QUrl::fromLocalFile(QFileInfo(session_path()).path() + QStringLiteral("/log.txt")));
  });
  connect(start_, &StartScreen::open_wanted, this, &MainWindow::open_path);
  connect(start_, &StartScreen::dialog_wanted, this, &MainWindow::open_dialog);
  connect(start_, &StartScreen::tour_wanted, this, &MainWindow::start_tour);
  connect(&start_->loading(), &LoadingFields::changed, this,
          [this] { set_loading(start_->loading().dtype(), start_->loading().device()); });
  set_loading(session_.dtype, session_.device);
  connect(&workspace_, &Workspace::model_changed, this, &MainWindow::take_up_rest);
  // What one wants to do with a model that has just been opened is to type.
  connect(&workspace_, &Workspace::model_changed, prompt_, &PromptBar::focus_text);
  for (const auto signal : {&Workspace::model_changed, &Workspace::result_changed}) {
    connect(&workspace_, signal, this, &MainWindow::update_start_screen);
    connect(&workspace_, signal, this, &MainWindow::show_title);
  }
  connect(&workspace_, &Workspace::in_force_changed, this, &MainWindow::save_soon);
  connect(&workspace_, &Workspace::pair_texts_changed, this, &MainWindow::save_soon);
  connect(&workspace_.selection(), &Selection::heads_changed, this, &MainWindow::save_soon);
  save_timer_.setSingleShot(true);
  save_timer_.setInterval(save_after_ms);
  connect(&save_timer_, &QTimer::timeout, this, &MainWindow::save_session);
  if (!session_file_.isEmpty()) workspace_.kept().open(kept_folder(session_file_));
  set_colors(session_.colors);
  if (session_.cache_mib != Session{}.cache_mib) set_cache(session_.cache_mib);
  resize(1280, 800);
  reset_layout();
  if (!session_.geometry.isEmpty()) restoreGeometry(session_.geometry);
  show_recent();
  update_start_screen();
}

// Views that are hidden give their work up, which needs the workspace: it is a member and goes before they do.
MainWindow::~MainWindow() { hide(); }

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

// Above everything that is docked.
void MainWindow::add_banner() {
  auto* banner = new ModelBanner(workspace_);
  auto* holder = new QToolBar(tr("Other model"));
  holder->setObjectName(QStringLiteral("banner"));
  holder->setMovable(false);
  holder->addWidget(banner);
  holder->toggleViewAction()->setVisible(false);
  addToolBar(Qt::TopToolBarArea, holder);
  holder->hide();
  connect(banner, &ModelBanner::wanted, holder, &QWidget::setVisible);
  connect(banner, &ModelBanner::open_wanted, this, &MainWindow::open_path);
}

void MainWindow::add_model_button() {
  model_button_ = new QToolButton;
  model_button_->setAutoRaise(true);
  model_button_->setToolTip(tr("The card of the model: layers, heads, size, context, parity"));
  connect(model_button_, &QToolButton::clicked, this, &MainWindow::show_model_card);
  menuBar()->setCornerWidget(model_button_, Qt::TopRightCorner);
}

// Says at all times that attention is not the model's own.
void MainWindow::add_attention_button() {
  auto* button = new QToolButton;
  button->setObjectName(QStringLiteral("attention-plan"));
  button->setAutoRaise(true);
  connect(button, &QToolButton::clicked, this, [this] { raise_view(QStringLiteral("lab")); });
  const auto show = [this, button] {
    const AttentionState& attention = workspace_.attention();
    const QString plan = QString::fromStdString(attention.plan());
    button->setVisible(!attention.full());
    button->setText(
        tr("Attention: %1").arg(fontMetrics().elidedText(plan, Qt::ElideRight, 40 * fontMetrics().averageCharWidth())));
    button->setToolTip(
        tr("%1\n%2 of %3 heads; all that is computed now is under this plan. A click opens the attention "
           "lab.")
            .arg(plan)
            .arg(attention.heads().size())
            .arg(workspace_.n_layers() * workspace_.n_heads()));
  };
  connect(&workspace_.attention(), &AttentionState::changed, button, show);
  show();
  statusBar()->addPermanentWidget(button);
}

void MainWindow::show_model_card() {
  if (!workspace_.model()) return;
  auto* card = new ModelCard(*workspace_.model(), this);
  connect(card, &ModelCard::open_wanted, this,
          [this](const QString& path, const QString& dtype, const QString& device) {
            set_loading(dtype, device);
            open_path(path);
          });
  open_once(card);
}

void MainWindow::make_views() {
  for (const ViewKind& kind : all_views()) {
    views_.push_back(kind.make(workspace_, this));
    layout_->add(views_.back());
  }
}

void MainWindow::reset_layout() { layout_->reset(); }

View* MainWindow::view(const QString& id) const {
  const auto found = std::find_if(views_.begin(), views_.end(), [&](const View* v) { return v->id() == id; });
  return found == views_.end() ? nullptr : *found;
}

void MainWindow::raise_view(const QString& id) {
  QDockWidget* dock = layout_->dock(id);
  if (!dock) return;
  dock->show();
  dock->raise();
}

void MainWindow::show_only(const QString& id) {
  for (const auto& [name, dock] : layout_->docks())
    dock->setVisible(name == id);
}

// Brings the view to the front and gives it the keyboard.
void MainWindow::go_to(const QString& id) {
  raise_view(id);
  View* to = view(id);
  for (auto* child : to->findChildren<QWidget*>())
    if (child->isVisible() && child->isEnabled() && (child->focusPolicy() & Qt::TabFocus))
      return child->setFocus(Qt::ShortcutFocusReason);
  to->setFocus(Qt::ShortcutFocusReason);
}

void MainWindow::fit_into(const QRect& screen) {
  const int title = style()->pixelMetric(QStyle::PM_TitleBarHeight, nullptr, this); // of the frame around it
  const QSize most(screen.width(), screen.height() - title);
  const bool fills = width() >= most.width() && height() >= most.height();
  QRect place(pos(), size().boundedTo(most));
  place.moveLeft(std::clamp(place.left(), screen.left(), screen.right() + 1 - place.width()));
  place.moveTop(std::clamp(place.top(), screen.top(), screen.bottom() + 1 - title - place.height()));
  resize(place.size());
  move(place.topLeft()); // of the frame
  if (fills) setWindowState(windowState() | Qt::WindowMaximized);
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
  QTimer::singleShot(0, layout_, &DockLayout::fit); // when all widgets have the font
  save_soon();
}

void MainWindow::open_path(const QString& path) {
  if (is_result(path))
    workspace_.open_result(path);
  else
    workspace_.open_model(workspace_.model_request(path.toStdString()));
  session_.add_recent(path);
  show_recent();
  save_soon();
}

// A device that this machine does not have, such as that of a session from another, is left as it was.
void MainWindow::set_loading(const QString& dtype, const QString& device) {
  start_->loading().set(dtype, device);
  session_.dtype = start_->loading().dtype();
  session_.device = start_->loading().device();
  workspace_.set_loading(session_.dtype.toStdString(), session_.device.toStdString());
  save_soon();
}

// Asks for a file, and for the device and the number type that a model is opened with. `beside`: in another window.
void MainWindow::ask_for_file(bool beside) {
  auto* dialog =
      new QFileDialog(this, beside ? tr("Open a model beside this one") : tr("Open a model or a result file"));
  dialog->setObjectName(QStringLiteral("open"));
  dialog->setOption(QFileDialog::DontUseNativeDialog); // which has no room for the fields
  dialog->setFileMode(QFileDialog::ExistingFile);
  dialog->setNameFilters({beside ? tr("Models (*.gguf *.safetensors config.json)")
                                 : tr("Models and results (*.gguf *.h5 *.hdf5 *.safetensors config.json)"),
                          tr("All files (*)")});
  auto* loading = new LoadingFields;
  loading->set(session_.dtype, session_.device);
  if (auto* grid = qobject_cast<QGridLayout*>(dialog->layout()))
    grid->addWidget(loading, grid->rowCount(), 0, 1, grid->columnCount());
  connect(dialog, &QFileDialog::fileSelected, this, [this, loading, beside](const QString& path) {
    // A file in a Hugging Face folder means the folder.
    const QFileInfo file(path);
    const bool of_folder =
        file.suffix() == QStringLiteral("safetensors") || file.fileName() == QStringLiteral("config.json");
    const QString model = of_folder ? file.absolutePath() : path;
    if (beside) return void(open_beside(model, loading->dtype(), loading->device()));
    set_loading(loading->dtype(), loading->device());
    open_path(model);
  });
  open_once(dialog);
}

void MainWindow::open_dialog() { ask_for_file(false); }

MainWindow* MainWindow::open_beside(const QString& model, const QString& dtype, const QString& device) {
  Session session = current_session();
  session.result.clear();
  session.geometry.clear();
  session.dtype = dtype;
  session.device = device;
  auto* other = new MainWindow(std::move(session), QString());
  other->setAttribute(Qt::WA_DeleteOnClose);
  other->resuming_ = true; // takes up prompt, selection and ablated heads when its model is there
  other->workspace_.answers().set(workspace_.answers().pair());
  const QRect room = screen()->availableGeometry();
  const QSize half(room.width() / 2, room.height());
  showNormal();
  setGeometry(QRect(room.topLeft(), half));
  other->setGeometry(QRect(QPoint(room.left() + half.width(), room.top()), half));
  if (!link_) take_link(std::make_shared<SelectionLink>());
  other->take_link(link_);
  other->show();
  other->fit_into(room);
  if (const View* seen = current_view())
    connect(
        &other->workspace_, &Workspace::model_changed, other, [other, id = seen->id()] { other->raise_view(id); },
        static_cast<Qt::ConnectionType>(Qt::QueuedConnection | Qt::SingleShotConnection));
  other->open_path(model);
  return other;
}

void MainWindow::take_link(std::shared_ptr<SelectionLink> link) {
  link_ = std::move(link);
  const auto show = [this] {
    link_action_->setEnabled(link_->links());
    link_action_->setChecked(link_->links() && link_->on());
  };
  connect(link_.get(), &SelectionLink::changed, this, show);
  link_->add(workspace_);
}

void MainWindow::set_colors(figures::ColorMap colors) {
  session_.colors = colors;
  set_value_colors(colors);
  save_soon();
}

void MainWindow::set_cache(int mib) {
  session_.cache_mib = mib;
  workspace_.engine().post<CacheUse>(
      {QStringLiteral("cache"), tr("Setting the memory for kept layers")}, this,
      [bytes = static_cast<std::size_t>(mib) << 20](
          EngineState& state, const JobContext<CacheUse>&) -> Result<CacheUse> { return limit_cache(state, bytes); },
      {[this](const Result<CacheUse>& use) {
        if (use.ok()) Q_EMIT cache_known(*use);
      }});
  save_soon();
}

void MainWindow::clear_kept() {
  workspace_.engine().post<CacheUse>(
      {QStringLiteral("cache"), tr("Dropping kept layers")}, this,
      [](EngineState& state, const JobContext<CacheUse>&) -> Result<CacheUse> { return clear_cache(state); },
      {[this](const Result<CacheUse>& use) {
        if (use.ok()) Q_EMIT cache_known(*use);
      }});
}

void MainWindow::update_start_screen() {
  const bool empty = !workspace_.model() && !workspace_.result();
  start_->setVisible(empty);
  prompt_bar_->setVisible(!empty);
  for (const auto& [id, dock] : layout_->docks())
    if (empty) dock->hide();
  if (empty || !layout_->all_hidden()) return;
  if (!session_.layout.isEmpty()) restoreState(session_.layout, layout_version);
  if (layout_->all_hidden())
    reset_layout();
  else
    layout_->fit();
}

void MainWindow::show_title() {
  QStringList parts;
  if (workspace_.model()) parts.append(QString::fromStdString(workspace_.model()->name));
  if (workspace_.result()) parts.append(QFileInfo(QString::fromStdString(workspace_.result()->path)).fileName());
  parts.append(tr("Headscope"));
  setWindowTitle(parts.join(QStringLiteral(" — ")));
  model_button_->setVisible(workspace_.model().has_value());
  if (!workspace_.model()) return;
  const ModelInfo& model = *workspace_.model();
  const QString name = fontMetrics().elidedText(QString::fromStdString(model.name), Qt::ElideMiddle,
                                                32 * fontMetrics().averageCharWidth());
  model_button_->setText(tr("%1 · %2 layers of %3 heads · %4 on %5")
                             .arg(name)
                             .arg(model.n_layers)
                             .arg(model.n_heads)
                             .arg(QString::fromStdString(model.dtype), QString::fromStdString(model.device)));
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
bool takes_text(const QWidget* focus) {
  return qobject_cast<const QLineEdit*>(focus) || qobject_cast<const QAbstractSpinBox*>(focus) ||
         qobject_cast<const QTextEdit*>(focus) || qobject_cast<const QPlainTextEdit*>(focus);
}

} // namespace

void MainWindow::make_keys() {
  // Qt knows the Menu key by itself, which many keyboards lack.
  auto* menu = new QShortcut(QKeySequence(Qt::SHIFT | Qt::Key_F10), this, this, [] {
    QWidget* focus = QApplication::focusWidget();
    if (!focus) return;
    const QPoint place = focus->inputMethodQuery(Qt::ImCursorRectangle).toRect().center();
    QContextMenuEvent wanted(QContextMenuEvent::Keyboard, place, focus->mapToGlobal(place));
    QCoreApplication::sendEvent(focus, &wanted);
  });
  menu->setWhatsThis(tr("opens the menu of what is selected, as the Menu key does"));
  keys_ = {{{Qt::Key_A},
            tr("A"),
            tr("ablates the selected head, or puts it back"),
            [this](int) {
              if (workspace_.selection().head()) workspace_.ablation().toggle(*workspace_.selection().head());
            }},
           {{Qt::Key_Up, Qt::Key_Down},
            tr("Up, Down"),
            tr("go to the layer above or below"),
            [this](int key) { step_head(key == Qt::Key_Up ? -1 : 1, 0); }},
           {{Qt::Key_Left, Qt::Key_Right},
            tr("Left, Right"),
            tr("go to the head before or after"),
            [this](int key) { step_head(0, key == Qt::Key_Left ? -1 : 1); }},
           {{Qt::Key_Slash}, tr("/"), tr("finds a head, a score or a token"), [this](int) { find(); }}};
}

// Handles keys that no view or input field has used.
void MainWindow::keyPressEvent(QKeyEvent* event) {
  const bool plain = !(event->modifiers() & (Qt::ControlModifier | Qt::AltModifier | Qt::MetaModifier));
  if (plain && !takes_text(focusWidget()))
    for (const WindowKey& each : keys_)
      if (std::find(each.keys.begin(), each.keys.end(), event->key()) != each.keys.end()) return each.run(event->key());
  QMainWindow::keyPressEvent(event);
}

// What the buttons of a dock's title do, for a dock that has a tab in its place.
void MainWindow::contextMenuEvent(QContextMenuEvent* event) {
  QDockWidget* dock = layout_->at_tab(event->pos());
  if (!dock) return QMainWindow::contextMenuEvent(event);
  auto* menu = new QMenu(this);
  menu->setAttribute(Qt::WA_DeleteOnClose);
  menu->addAction(tr("In a window of its own"), dock, [dock] { dock->setFloating(true); });
  menu->addAction(tr("Close"), dock, &QWidget::close);
  menu->popup(event->globalPos());
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
  const Result<QImage> picture = picture_of(in_own_colors(*content), is_dark(), devicePixelRatioF() * 2);
  if (picture.ok())
    QApplication::clipboard()->setImage(*picture);
  else
    workspace_.report(tr("Copy"), picture.error());
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
  if (resuming_) workspace_.open_model(workspace_.model_request(session_.model.toStdString()));
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
  workspace_.answers().set(session_.answers);
  workspace_.set_pair_texts(session_.pair);
  if (!session_.attention.empty()) workspace_.set_attention(session_.attention);
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
    session.answers = workspace.answers().pair();
    session.pair = workspace.pair_texts();
    session.attention = workspace.attention().plan();
  }
  session.geometry = saveGeometry();
  if (!start_->isVisibleTo(this)) session.layout = saveState(layout_version); // else no view is to be seen
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
  if (!start_->isVisibleTo(this)) layout_->fit();
  save_soon();
}

void MainWindow::closeEvent(QCloseEvent* event) {
  save_timer_.stop();
  save_session();
  workspace_.engine().cancel_all();
  workspace_.files().cancel_all();
  workspace_.kept().finish();
  QMainWindow::closeEvent(event);
}

} // namespace headscope::gui
