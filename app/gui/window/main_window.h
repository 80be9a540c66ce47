// SPDX-License-Identifier: GPL-3.0-or-later
// The main window: docks of views, menus, messages, the job in the status bar, and the session.
#pragma once

#include <QMainWindow>
#include <QPointer>
#include <QStackedWidget>
#include <QTimer>
#include <QToolBar>
#include <QToolButton>

#include "app/gui/views/view_list.h"
#include "app/gui/window/session.h"
#include "app/gui/window/shortcut_list.h"

namespace headscope::gui {

class DockLayout;
class HelpWindow;
class MessageBar;
class PromptBar;
class SelectionLink;
class StartScreen;
class Tour;

class MainWindow : public QMainWindow {
  Q_OBJECT
public:
  // `session_file` is where the session is kept; empty: nowhere.
  explicit MainWindow(const QString& session_file, QWidget* parent = nullptr);
  ~MainWindow() override;

  Workspace& workspace() { return workspace_; }
  View* view(const QString& id) const; // null when there is none of that id
  void raise_view(const QString& id);
  void show_only(const QString& id); // the view gets the room of all others
  void reset_layout();
  // Makes the window no larger than a screen, and puts it there wholly.
  void fit_into(const QRect& screen);
  void set_look(Theme theme, double font_scale);

  // Opens a model (folder, .gguf, packaged name) or a result file (.h5), judging by the path.
  void open_path(const QString& path);
  // Opens a model in a second window, with the same prompt, answers, selection, ablated heads and layout. What is done
  // in one changes nothing in the other but the selection of heads and tokens, while they are linked.
  MainWindow* open_beside(const QString& model, const QString& dtype, const QString& device);
  SelectionLink* link() const { return link_.get(); } // null: no window has been opened beside
  void set_colors(figures::ColorMap colors);          // of values in maps and scores
  void set_cache(int mib);                            // the most memory for kept layers of attention
  // Restores files, prompt, selection and ablated heads of the last session.
  void restore_session();
  void start_tour();
  const MessageBar& messages() const { return *messages_; }

Q_SIGNALS:
  void cache_known(const headscope::gui::CacheUse& use);

protected:
  void closeEvent(QCloseEvent* event) override;
  void moveEvent(QMoveEvent* event) override;
  void resizeEvent(QResizeEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;
  void dragEnterEvent(QDragEnterEvent* event) override;
  void dropEvent(QDropEvent* event) override;
  void contextMenuEvent(QContextMenuEvent* event) override;

private:
  MainWindow(Session session, const QString& session_file, QWidget* parent = nullptr);
  void add_job_list();
  void add_prompt_bar();
  void add_banner();
  void add_model_button();
  void add_attention_button();
  void show_model_card();
  void make_views();
  void make_keys();
  void make_menus();
  void show_help(const QString& topic);
  void show_preferences();
  void open_once(QDialog* dialog);
  void make_file_menu();
  QMenu* make_beside_menu();
  void make_edit_menu();
  void make_view_menu();
  void make_help_menu();
  void open_dialog();
  void ask_for_file(bool beside);
  void clear_kept();
  void set_loading(const QString& dtype, const QString& device);
  void go_to(const QString& id);
  void take_link(std::shared_ptr<SelectionLink> link);
  void show_recent();
  void show_title();
  void update_start_screen();
  View* current_view() const;
  void copy_picture();
  void step_head(int layers, int heads);
  void find();
  void take_up_rest();
  Session current_session() const;
  void save_soon();
  void save_session() const;

  Workspace workspace_;
  Session session_;
  QString session_file_;
  DockLayout* layout_;
  std::vector<View*> views_;
  MessageBar* messages_;
  StartScreen* start_;
  QToolButton* model_button_ = nullptr;
  QPointer<HelpWindow> help_; // null while it is closed
  QPointer<Tour> tour_;       // null while there is none
  std::vector<WindowKey> keys_;
  QToolBar* prompt_bar_ = nullptr;
  PromptBar* prompt_ = nullptr;
  QMenu* recent_ = nullptr;
  QMenu* view_menu_ = nullptr;
  QAction* link_action_ = nullptr;
  std::shared_ptr<SelectionLink> link_; // of all windows beside this one
  QTimer save_timer_;                   // until the session is written
  bool resuming_ = false;               // the session's prompt and heads still wait for its model
};

} // namespace headscope::gui
