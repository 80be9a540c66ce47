// SPDX-License-Identifier: GPL-3.0-or-later
// The detectors view: runs detectors, shows the distribution of scores, and leads from a score to its evidence.
#pragma once

#include <map>

#include "app/gui/engine/detector_job.h"
#include "app/gui/views/view.h"

class QComboBox;
class QLabel;
class QLineEdit;
class QListWidget;
class QPushButton;
class QStackedWidget;
class QTableView;

QT_BEGIN_NAMESPACE
class QChartView;
QT_END_NAMESPACE

namespace headscope::gui {

class DetectorOptions;
class EvidencePanel;
class FoldingColumn;
class HeadListModel;
class MaskingPanel;

class OriginMark;

class DetectorsView : public View {
  Q_OBJECT
public:
  explicit DetectorsView(Workspace& workspace, QWidget* parent);

  std::optional<ViewExport> exported() const override;
  void tick(const std::string& id, bool on);
  void run_ticked();
  // Answers of detectors run in this window, by detector.
  const std::map<std::string, DetectorAnswer>& answers() const { return answers_; }
  void save(const QString& path, bool overwrite);
  EvidencePanel& evidence() { return *evidence_; }
  MaskingPanel& masking() { return *masking_; }
  DetectorOptions& options(const std::string& id);

private:
  QWidget* make_list();
  // Reads the list on the file thread, since trying new modules takes seconds; callers that need it earlier wait.
  void read_list();
  void fill_list(const std::vector<DetectorInfo>& known);
  void need_list();
  QWidget* make_results();
  void run_next();
  bool outdoes(const DetectorAnswer& answer) const;
  void take(DetectorAnswer answer);
  void keep(const DetectorAnswer& answer);
  void restore();
  void show_detector(int row);
  void show_scores();
  void show_chosen();
  void load_evidence();
  void show_buttons();
  void save_as();

  std::vector<DetectorInfo> known_;
  std::map<std::string, DetectorOptions*> options_;
  std::map<std::string, DetectorAnswer> answers_;
  std::vector<DetectorRequest> waiting_;
  JobId job_ = 0; // 0: none runs

  FoldingColumn* halves_ = nullptr;
  QListWidget* list_ = nullptr;
  QLabel *about_ = nullptr, *summary_ = nullptr;
  QStackedWidget* option_stack_ = nullptr;
  QLineEdit* haystack_ = nullptr;
  QPushButton *run_ = nullptr, *save_ = nullptr;
  QComboBox* score_ = nullptr;
  HeadListModel* heads_;
  QTableView* table_ = nullptr;
  OriginMark* mark_ = nullptr;
  QChartView *histogram_ = nullptr, *cumulative_ = nullptr;
  EvidencePanel* evidence_;
  MaskingPanel* masking_;
};

} // namespace headscope::gui
