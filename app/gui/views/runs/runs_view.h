// SPDX-License-Identifier: GPL-3.0-or-later
// The runs view: the result files of a folder, to open, compare and annotate, with their provenance.
#pragma once

#include "app/gui/files/run_list.h"
#include "app/gui/views/view.h"

class QLabel;
class QPlainTextEdit;
class QStandardItemModel;
class QTableView;
class QTabWidget;
class QTimer;
class QTreeView;

namespace headscope::gui {

class ComparePanel;
class RunListModel;

class RunsView : public View {
  Q_OBJECT
public:
  explicit RunsView(Workspace& workspace, QWidget* parent);

  std::optional<ViewExport> exported() const override;
  bool settled() const override;
  void set_folder(const QString& folder);
  RunListModel& runs() { return *runs_; }
  ComparePanel& compare() { return *compare_; }
  QStandardItemModel& provenance() { return *provenance_; }
  void select_run(int row);
  void open_run(int row);
  void save_notes(); // what is typed and not yet on disk

protected:
  void showEvent(QShowEvent* event) override;
  void hideEvent(QHideEvent* event) override;
  void dragEnterEvent(QDragEnterEvent* event) override;
  void dropEvent(QDropEvent* event) override;

private:
  QWidget* make_list();
  QWidget* make_details();
  void choose_folder();
  void refresh();
  void take(std::vector<RunInfo> runs);
  void show_run();
  void show_provenance(const ProvenanceNode& root);

  QString folder_;
  bool listed_ = false;
  std::string shown_; // path of the run in the details
  bool typed_ = false;
  RunListModel* runs_;
  QStandardItemModel* provenance_;
  ComparePanel* compare_ = nullptr;
  QLabel *folder_label_ = nullptr, *empty_ = nullptr;
  QTableView* table_ = nullptr;
  QTabWidget* tabs_ = nullptr;
  QTreeView* tree_ = nullptr;
  QPlainTextEdit* notes_ = nullptr;
  QTimer* notes_timer_;
};

} // namespace headscope::gui
