// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/engine/method_job.h"

#include <filesystem>

#include <ATen/Parallel.h>

#include "app/gui/engine/engine_state.h"
#include "app/methods/run.h"

namespace headscope::gui {
namespace {

namespace fs = std::filesystem;

// A method that loads its own model may ask for another number of threads; the window keeps its own.
class KeptThreads {
public:
  KeptThreads() : count_(at::get_num_threads()) {}
  ~KeptThreads() {
    if (at::get_num_threads() != count_) at::set_num_threads(count_);
  }
  KeptThreads(const KeptThreads&) = delete;
  KeptThreads& operator=(const KeptThreads&) = delete;

private:
  int count_;
};

// When a file was written; unset: it does not exist. A method may end without having written the file that was asked
// for.
std::optional<fs::file_time_type> written_at(const std::string& path) {
  std::error_code missing;
  const auto time = fs::last_write_time(path, missing);
  return path.empty() || missing ? std::nullopt : std::optional(time);
}

methods::ModelOptions model_options(const EngineState& state) {
  const ModelRequest& opened = state.opened;
  methods::ModelOptions model;
  if (!state.plan.empty()) model.attention = state.plan;
  model.model = opened.path;
  model.dtype = opened.dtype;
  model.device = opened.device;
  return model;
}

methods::Context context_of(const RunControl& control, MethodAnswer& answer) {
  methods::Context context;
  context.cancel = control.cancel;
  context.progress = control.progress;
  context.note_line = [&answer](const std::string& line) { answer.notes.push_back(line); };
  context.warn_line = [&answer](const std::string& line) { answer.warnings.push_back(line); };
  context.command_line = answer.request.command_line;
  return context;
}

Status run_on_open_model(const EngineState& state, methods::Method& method, const methods::OutputOptions& output,
                         const methods::Context& context, const methods::Show& show, MethodAnswer& answer) {
  HS_ASSIGN(const auto engine, open_engine(state));
  answer.model = {engine->model().identity.sha256(), state.opened.dtype, state.opened.device, state.plan};
  return methods::run_method(method, *engine, model_options(state), output, context, show);
}

Status run_anywhere(const EngineState& state, methods::Method& method, const methods::OutputOptions& output,
                    const methods::Context& context, const methods::Show& show, MethodAnswer& answer) {
  const methods::MethodInfo& info = method.info();
  const bool alone = !info.needs_model || (info.model_may_be_missing && !state.full);
  if (!alone) return run_on_open_model(state, method, output, context, show, answer);
  const Status status = methods::run_method(method, methods::ModelOptions{}, output, context, show);
  const bool wants_model = info.needs_model && !status.ok() && status.error().field == "--model";
  return wants_model ? Status(open_engine(state).error()) : status;
}

} // namespace

Result<MethodAnswer> run_method(EngineState& state, const MethodRequest& request, const RunControl& control) {
  MethodAnswer answer;
  answer.request = request;
  auto method = method_of(request);
  if (!method.ok()) {
    answer.error = method.error();
    return answer;
  }
  const KeptThreads threads;
  const auto before = written_at(request.out);
  const methods::Show show = [&answer](const methods::Report& report) {
    answer.text = report.text;
    answer.json = report.json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
    answer.complete = report.complete;
  };
  const Status status = run_anywhere(state, **method, {request.out, request.replace, request.resumable},
                                     context_of(control, answer), show, answer);
  if (!status.ok()) answer.error = status.error();
  answer.complete = answer.complete && status.ok();
  if (const auto now = written_at(request.out); now && now != before) answer.file = request.out;
  return answer;
}

} // namespace headscope::gui
