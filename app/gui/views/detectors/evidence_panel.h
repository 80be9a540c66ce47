// SPDX-License-Identifier: GPL-3.0-or-later
// The evidence behind the selected head's score, with links to the attention that shows it.
#pragma once

#include <memory>

#include <QWidget>

#include "app/gui/models/evidence_model.h"
#include "app/gui/workspace/workspace.h"

class QLabel;
class QPushButton;
class QTableView;

namespace headscope::gui {

class EvidencePanel : public QWidget {
  Q_OBJECT
public:
  explicit EvidencePanel(Workspace& workspace, QWidget* parent = nullptr);

  // `file` is the result file that the evidence is from; empty: the open model.
  void set_evidence(const std::string& detector, std::shared_ptr<const DetectorResult> result, const std::string& file);
  EvidenceModel& model() { return *model_; }
  // Loads the row's prompt and pins its query and key.
  void show_row(int row);

private:
  void list_rows();
  void show_live(const store::Prompt& prompt, const EvidenceRow& row);
  void extend_and_pin(const store::Prompt& prompt, const EvidenceRow& row);
  bool model_made_it() const;

  Workspace& workspace_;
  std::string detector_, file_;
  std::shared_ptr<const DetectorResult> result_;
  EvidenceModel* model_;
  QTableView* table_;
  QLabel* heading_;
  QPushButton* show_;
};

} // namespace headscope::gui
