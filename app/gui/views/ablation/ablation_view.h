// SPDX-License-Identifier: GPL-3.0-or-later
// The ablation view: the model's predictions and text with heads ablated, beside those of the whole model.
#pragma once

#include <QElapsedTimer>

#include "app/gui/engine/generate_job.h"
#include "app/gui/engine/predict_job.h"
#include "app/gui/views/view.h"

class QLabel;
class QLineEdit;
class QPushButton;
class QSpinBox;
class QStackedWidget;
class QTextEdit;
class QTimer;

namespace headscope::gui {

class AblationControls;
class OriginMark;
class PredictionBars;

class AblationView : public View {
  Q_OBJECT
public:
  explicit AblationView(Workspace& workspace, QWidget* parent);

  std::optional<ViewExport> exported() const override;
  bool settled() const override;
  const std::optional<Prediction>& prediction() const { return prediction_; }
  AblationControls& controls() { return *controls_; }
  double last_seconds() const { return seconds_; } // from a change to what it does to the probabilities
  const Continuation& clean_text() const { return clean_; }
  const Continuation& ablated_text() const { return ablated_; }

protected:
  void showEvent(QShowEvent* event) override;
  void changeEvent(QEvent* event) override;

private:
  QWidget* make_results();
  QWidget* make_texts();
  void refresh();
  void predict_now();
  void take(Prediction prediction);
  void generate_texts();
  void post_text(bool ablated);
  void show_prediction();
  void show_texts();
  void show_state();
  AblationInput input(bool ablated) const;

  AblationControls* controls_;
  QStackedWidget* stack_;
  QLabel* empty_;
  PredictionBars* bars_ = nullptr;
  QLabel* numbers_ = nullptr;
  QLineEdit *answer_ = nullptr, *wrong_ = nullptr;
  QSpinBox* new_tokens_ = nullptr;
  QTextEdit *clean_box_ = nullptr, *ablated_box_ = nullptr;
  QTimer* answer_timer_;
  QPushButton* meant_ = nullptr; // takes what is meant in place of an answer without its space
  OriginMark *prediction_mark_ = nullptr, *text_mark_ = nullptr;

  std::optional<Prediction> prediction_;
  std::vector<std::int64_t> tokens_; // of the prediction
  Continuation clean_, ablated_;
  std::vector<std::int64_t> clean_tokens_; // the prompt that clean_ continues
  std::int64_t clean_length_ = 0;          // as asked for
  bool stale_ = true;                      // something changed while the view was hidden
  QElapsedTimer clock_;
  double seconds_ = 0.0;
};

} // namespace headscope::gui
