// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/workspace/workspace.h"

#include <algorithm>
#include <utility>

#include "core/model/model_store.h"

namespace headscope::gui {

// From one prompt to another; a stored one by its id. Tokens are read anew: they may be of another model by then.
class PromptStep : public QUndoCommand {
public:
  struct Place {
    PromptRequest request;
    std::string stored_id;
  };
  PromptStep(Workspace& workspace, Place before, Place after)
      : QUndoCommand(Workspace::tr("change of prompt")), workspace_(workspace), before_(std::move(before)),
        after_(std::move(after)) {}
  void undo() override { go(before_); }
  void redo() override {
    if (!std::exchange(first_, false)) go(after_);
  }

private:
  void go(const Place& place) {
    if (place.stored_id.empty())
      workspace_.read_prompt(place.request, false);
    else
      workspace_.show_stored_prompt(place.stored_id);
  }
  Workspace& workspace_;
  Place before_, after_;
  bool first_ = true; // it is in force already when it is pushed
};

// From one plan to another, both of which fit the open model: another model clears the stack.
class AttentionStep : public QUndoCommand {
public:
  AttentionStep(Workspace& workspace, PlanInfo before, PlanInfo after)
      : QUndoCommand(Workspace::tr("change of attention")), workspace_(workspace), before_(std::move(before)),
        after_(std::move(after)) {}
  void undo() override { workspace_.take_attention(before_); }
  void redo() override { workspace_.take_attention(after_); }

private:
  Workspace& workspace_;
  PlanInfo before_, after_;
};

Workspace::Workspace(QObject* parent)
    : QObject(parent), ablation_(undo_), engine_(QStringLiteral("engine"), make_engine_state()),
      files_(QStringLiteral("files"), make_file_state()) {
  connect(&prompt_, &PromptState::changed, this, &Workspace::follow);
  connect(&ablation_, &AblationState::changed, this, &Workspace::in_force_changed);
  connect(&answers_, &AnswerState::changed, this, &Workspace::in_force_changed);
  connect(this, &Workspace::model_changed, this, &Workspace::in_force_changed);
  connect(this, &Workspace::result_changed, this, &Workspace::in_force_changed);
  connect(&kept_, &KeptResults::failed, this, &Workspace::failed);
}

Workspace::~Workspace() = default;

int Workspace::n_layers() const { return model_ ? model_->n_layers : result_ ? result_->n_layers : 0; }
int Workspace::n_heads() const { return model_ ? model_->n_heads : result_ ? result_->n_heads : 0; }

bool Workspace::live() const {
  if (!model_ || prompt_.tokens().empty()) return false;
  return prompt_.stored_id().empty() || (result_ && store::text_attribute(result_->model, "sha256") == model_->sha256);
}

bool Workspace::result_of_another_model() const {
  if (!model_ || !result_) return false;
  const std::string sha256 = store::text_attribute(result_->model, "sha256");
  return !sha256.empty() && sha256 != model_->sha256;
}

Origin Workspace::origin(DependsOn parts) const {
  Origin origin;
  if (model_ && (live() || prompt_.tokens().empty() || !parts.prompt)) {
    origin.model_sha256 = model_->sha256;
    origin.model_name = model_->name;
  } else if (result_) {
    origin.model_sha256 = store::text_attribute(result_->model, "sha256");
    origin.model_name = store::text_attribute(result_->model, "name");
  }
  if (parts.prompt) {
    origin.tokens = prompt_.ids();
    origin.prompt = prompt_.beginning();
  }
  if (parts.plan) origin.plan = ablation_.input();
  if (model_ && origin.model_sha256 == model_->sha256) origin.attention = attention_.plan();
  if (parts.answers) origin.answers = answers_.pair();
  return origin;
}

Origin Workspace::origin_of_result() const {
  Origin origin;
  if (result_) origin.model_sha256 = store::text_attribute(result_->model, "sha256");
  if (result_) origin.model_name = store::text_attribute(result_->model, "name");
  return origin;
}

// Work for what was in force before is given up; views that are on the screen ask anew.
void Workspace::follow() {
  engine_.drop_followers();
  engine_.set_subject(prompt_.beginning());
  Q_EMIT in_force_changed();
}

void Workspace::set_pair(std::optional<PatchPairInfo> pair) {
  pair_ = std::move(pair);
  Q_EMIT pair_changed();
}

void Workspace::set_pair_texts(PatchTexts texts) {
  if (texts == pair_texts_) return;
  pair_texts_ = std::move(texts);
  Q_EMIT pair_texts_changed();
}

void Workspace::report(const QString& what, const Error& error) {
  if (error.code != ErrorCode::cancelled) Q_EMIT failed(what, error);
}

void Workspace::want_patch(const PatchWish& wish) {
  Q_EMIT view_wanted(QStringLiteral("patching"));
  Q_EMIT patch_wanted(wish);
}

void Workspace::set_loading(const std::string& dtype, const std::string& device) {
  dtype_ = dtype;
  device_ = device;
}

void Workspace::open_model(const ModelRequest& request) {
  engine_.post<ModelInfo>({QStringLiteral("model"), tr("Opening the model")}, this,
                          [request](EngineState& state, const JobContext<ModelInfo>& job) {
                            return headscope::gui::open_model(state, request, job.control);
                          },
                          {[this](Result<ModelInfo> info) {
                            if (info.ok()) {
                              engine_.cancel_all(); // what still runs is of the model before; it keeps what it has
                              take_model(std::move(*info));
                            } else {
                              report(tr("The model was not opened"), info.error());
                            }
                          }});
}

void Workspace::set_attention(const std::string& plan, std::function<void(const Error&)> failed) {
  engine_.post<PlanInfo>({QStringLiteral("attention-plan"), tr("Reading the attention plan")}, this,
                         [plan](EngineState& state, const JobContext<PlanInfo>&) { return read_plan(state, plan); },
                         {[this, failed](Result<PlanInfo> info) {
                           if (info.ok()) {
                             if (info->text != attention_.plan())
                               undo_.push(new AttentionStep(*this, attention_.info_, std::move(*info)));
                             return;
                           }
                           if (failed) return failed(info.error());
                           report(tr("The attention plan was not taken"), info.error());
                         }});
}

// What is posted from now on runs under the plan; what follows the screen and was under the one before is dropped.
void Workspace::take_attention(PlanInfo info) {
  if (info.text == attention_.plan()) return;
  engine_.set_around([plan = info.text](EngineState& state) { return under_plan(state, plan); });
  engine_.drop_followers();
  attention_.set(std::move(info));
  Q_EMIT in_force_changed();
}

void Workspace::take_model(ModelInfo info) {
  const bool other = !model_ || model_->sha256 != info.sha256;
  model_ = std::move(info);
  if (other) {
    undo_.clear();
    ablation_.set_heads({}, {});
    if (!attention_.full()) Q_EMIT noted(tr("Full attention: the plan was of the model before"));
    take_attention({});
    undo_.clear();
    scores_.remove_source("live");
  }
  const bool fits = selection_.head() && selection_.head()->layer < n_layers() && selection_.head()->head < n_heads();
  if (!fits) selection_.set_head({0, 0});
  Q_EMIT model_changed();
  // The prompt again, in this model's tokens.
  if (!prompt_.request().text.empty() && prompt_.stored_id().empty()) read_prompt(prompt_.request(), false);
}

void Workspace::open_result(const QString& path) {
  files_.post<ResultSummary>({QStringLiteral("result"), tr("Opening %1").arg(path)}, this,
                             [path = path.toStdString()](FileState& state, const JobContext<ResultSummary>& job) {
                               return headscope::gui::open_result(state, path, job.control);
                             },
                             {[this](Result<ResultSummary> summary) {
                               if (summary.ok())
                                 take_result(std::move(*summary));
                               else
                                 report(tr("The file was not opened"), summary.error());
                             }});
}

void Workspace::take_result(ResultSummary summary) {
  if (result_) scores_.remove_source(result_->path);
  result_ = std::move(summary);
  for (const HeadScores& scores : result_->scores)
    scores_.put(scores);
  if (!selection_.head() && n_layers() > 0) {
    const auto& maps = result_->attention;
    selection_.set_head(maps.empty() || maps.front().heads.empty() ? HeadId{0, 0} : maps.front().heads.front());
  }
  Q_EMIT result_changed();
  if (!live() && !result_->attention.empty()) show_stored_prompt(result_->attention.front().prompt);
  // With the model that made it, all heads can be looked at and not only the stored ones.
  for (const PackagedModel& known : packaged_models())
    if (!model_ && known.sha256 == store::text_attribute(result_->model, "sha256") &&
        resolve_model_path(known.name).ok())
      open_model(model_request(known.name));
}

void Workspace::close_result() {
  if (!result_) return;
  scores_.remove_source(result_->path);
  result_.reset();
  Q_EMIT result_changed();
}

void Workspace::set_prompt(const PromptRequest& request) { read_prompt(request, true); }

void Workspace::take_prompt(const PromptRequest& request, std::vector<TokenInfo> tokens, bool undoable) {
  const PromptStep::Place before{prompt_.request(), prompt_.stored_id()};
  const bool other = !before.request.text.empty() && !(before.request == request && before.stored_id.empty());
  selection_.set_tokens(std::nullopt, std::nullopt);
  prompt_.set_live(request, std::move(tokens));
  if (undoable && other) undo_.push(new PromptStep(*this, before, {request, {}}));
}

void Workspace::read_prompt(const PromptRequest& request, bool undoable) {
  engine_.post<std::vector<TokenInfo>>(
      {QStringLiteral("prompt"), tr("Reading the prompt")}, this,
      [request](EngineState& state, const JobContext<std::vector<TokenInfo>>&) { return tokenize(state, request); },
      {[this, request, undoable](Result<std::vector<TokenInfo>> tokens) {
        if (!tokens.ok()) return report(tr("The prompt was not taken"), tokens.error());
        take_prompt(request, std::move(*tokens), undoable);
      }});
}

void Workspace::show_stored_prompt(const std::string& id) {
  if (!result_) return;
  const auto& prompts = result_->prompts;
  const auto found = std::find_if(prompts.begin(), prompts.end(), [&](const StoredPrompt& p) { return p.id == id; });
  if (found == prompts.end()) return;
  selection_.set_tokens(std::nullopt, std::nullopt);
  prompt_.set_stored(found->id, found->text, found->tokens);
}

} // namespace headscope::gui
