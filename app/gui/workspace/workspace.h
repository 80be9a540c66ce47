// SPDX-License-Identifier: GPL-3.0-or-later
// Everything that the views share: the two worker threads, the model and the result file that are open, the prompt,
// the selection, the scores and the ablated heads. Views read it, listen to it and change it; they never know each
// other.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include <QObject>
#include <QUndoStack>

#include "app/gui/engine/model_job.h"
#include "app/gui/engine/patch_job.h"
#include "app/gui/files/result_summary.h"
#include "app/gui/work/worker.h"
#include "app/gui/workspace/ablation_state.h"
#include "app/gui/workspace/answer_state.h"
#include "app/gui/workspace/attention_state.h"
#include "app/gui/workspace/kept_results.h"
#include "app/gui/workspace/origin.h"
#include "app/gui/workspace/prompt_state.h"
#include "app/gui/workspace/score_board.h"
#include "app/gui/workspace/selection.h"

namespace headscope::gui {

// What one view asks the patching view to measure.
struct PatchWish {
  std::string site; // short name of a hook point: "z"
  PatchAxes axes = PatchAxes::layer_head;
  int layer = 0;
  std::optional<int> head;
};

struct PatchTexts {
  std::string clean, corrupt;
  friend bool operator==(const PatchTexts&, const PatchTexts&) = default;
};

class Workspace : public QObject {
  Q_OBJECT
public:
  explicit Workspace(QObject* parent = nullptr);
  ~Workspace() override;

  EngineWorker& engine() { return engine_; }
  FileWorker& files() { return files_; }
  QUndoStack& undo() { return undo_; }
  Selection& selection() { return selection_; }
  PromptState& prompt() { return prompt_; }
  ScoreBoard& scores() { return scores_; }
  AblationState& ablation() { return ablation_; }
  AnswerState& answers() { return answers_; }
  KeptResults& kept() { return kept_; }
  const AttentionState& attention() const { return attention_; }
  const Selection& selection() const { return selection_; }
  const PromptState& prompt() const { return prompt_; }
  const ScoreBoard& scores() const { return scores_; }
  const AblationState& ablation() const { return ablation_; }
  const AnswerState& answers() const { return answers_; }

  const std::optional<ModelInfo>& model() const { return model_; }
  const std::optional<ResultSummary>& result() const { return result_; }
  // Layers and heads of the model, or else of the result file; 0 with neither.
  int n_layers() const;
  int n_heads() const;
  // The prompt's tokens can go through the open model: they were typed, or come from a result of this very model.
  bool live() const;
  // What a number that depends on these parts would be made of now.
  Origin origin(DependsOn parts) const;
  // Of the model alone that the open result file comes from.
  Origin origin_of_result() const;
  Origin in_force() const { return origin({true, true, true}); }

  // The clean and the corrupt prompt of the patching view; unset while they cannot be patched.
  const std::optional<PatchPairInfo>& pair() const { return pair_; }
  void set_pair(std::optional<PatchPairInfo> pair);
  // The same as the user has typed them; empty while they follow the prompt.
  const PatchTexts& pair_texts() const { return pair_texts_; }
  void set_pair_texts(PatchTexts texts);

  // Jobs; what went wrong comes as failed().
  void open_model(const ModelRequest& request);
  // How models are opened that nobody has said more about, e.g. that of a result.
  void set_loading(const std::string& dtype, const std::string& device);
  ModelRequest model_request(const std::string& path) const { return {path, dtype_, device_}; }
  void open_result(const QString& path);
  void close_result();
  void set_prompt(const PromptRequest& request);  // can be undone
  void show_stored_prompt(const std::string& id); // of the open result
  // Puts an attention plan in force when it fits the open model; can be undone. `failed` hears why it does not fit.
  void set_attention(const std::string& plan, std::function<void(const Error&)> failed = {});

  bool settled() const { return engine_.idle() && files_.idle(); }

  // The open result is of another model than the open one.
  bool result_of_another_model() const;

  // For views: says an error to the user. `what` is what could not be done: "The prompt".
  void report(const QString& what, const Error& error);
  void want_patch(const PatchWish& wish); // brings the patching view up

Q_SIGNALS:
  void model_changed();
  void in_force_changed(); // model, prompt, ablated heads, attention plan or answers
  void result_changed();
  void pair_changed();
  void pair_texts_changed();
  void failed(const QString& what, const headscope::Error& error);
  void noted(const QString& text);     // good news for the message bar
  void view_wanted(const QString& id); // is to come to the front
  void patch_wanted(const headscope::gui::PatchWish& wish);

private:
  friend class PromptStep;
  friend class AttentionStep;
  void read_prompt(const PromptRequest& request, bool undoable);
  void take_prompt(const PromptRequest& request, std::vector<TokenInfo> tokens, bool undoable);
  void take_model(ModelInfo info);
  void take_attention(PlanInfo info);
  void follow();
  void take_result(ResultSummary summary);

  QUndoStack undo_;
  Selection selection_;
  PromptState prompt_;
  ScoreBoard scores_;
  AblationState ablation_;
  AnswerState answers_;
  AttentionState attention_;
  std::optional<ModelInfo> model_;
  std::optional<ResultSummary> result_;
  std::optional<PatchPairInfo> pair_;
  PatchTexts pair_texts_;
  std::string dtype_ = ModelRequest{}.dtype, device_ = ModelRequest{}.device;
  KeptResults kept_{files_};
  EngineWorker engine_; // last: their threads end before anything that they speak of
  FileWorker files_;
};

} // namespace headscope::gui
