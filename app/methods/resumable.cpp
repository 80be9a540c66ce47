// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/resumable.h"

#include <filesystem>

#include "app/methods/base/values.h"
#include "app/methods/inputs/model_options.h"
#include "app/methods/inputs/task_options.h"
#include "app/methods/methods.h"
#include "app/methods/run.h"
#include "app/runs/result_parts.h"
#include "core/base/utc_time.h"
#include "core/prompts/haystack.h"

namespace headscope::methods {
namespace {

namespace fs = std::filesystem;

std::string journal_of(const std::string& out) { return out + ".journal"; }

bool is_there(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error);
}

Status check_folder(const std::string& out) {
  std::error_code error;
  const fs::path parent = fs::path(out).parent_path();
  if (parent.empty() || fs::is_directory(parent, error)) return {};
  return make_error(ErrorCode::io, "its folder does not exist", out, "--out");
}

nlohmann::json values_of(const OptionList& list) {
  nlohmann::json values = nlohmann::json::object();
  for (const Option& option : list.all())
    values[option.name] = std::visit([](const auto& value) { return nlohmann::json(value); }, option.attribute().value);
  return values;
}

// The files or folders that an option names.
std::vector<std::string> paths_of(const Option& option) {
  const store::Attribute attribute = option.attribute();
  if (const auto* one = std::get_if<std::string>(&attribute.value)) return {*one};
  if (const auto* some = std::get_if<std::vector<std::string>>(&attribute.value)) return *some;
  return {};
}

// The numbers of a cell depend on this, and on nothing else.
Result<std::string> fingerprint_of(const std::string& text, const Model& model, const ModelOptions& how,
                                   const TaskSet* task, Method& method, const Cells& cells) {
  nlohmann::json all = {text,
                        headscope_version(),
                        libtorch_version(),
                        dtype_name(model.dtype),
                        model.device.is_cuda() ? "cuda" : "cpu",
                        how.attention,
                        how.fold_ln,
                        how.center_writing_weights,
                        how.center_unembed,
                        how.fold_value_biases};
  HS_ASSIGN(const std::vector<std::string> masks, attention_file_hashes(how));
  if (!masks.empty()) all.push_back(masks);
  if (task) add_to_fingerprint(all, *task);
  HS_TRY(add_files_to_fingerprint(all, method, cells));
  return headscope::fingerprint_of(all);
}

class ResumableRun {
public:
  ResumableRun(Method& method, const Engine& engine, const ModelOptions& model, const OutputOptions& output,
               const Context& context)
      : method_(method), engine_(engine), model_(model), output_(output), context_(context), quiet_(context.silent()) {}

  Status run(const Show& show) {
    HS_TRY(bind());
    HS_TRY(begin());
    for (const bool waiting : {false, true})
      HS_TRY(run_cells(waiting));
    context_.finish_progress();
    HS_TRY(write());
    context_.note((complete() ? "wrote " : "wrote what was done until the interruption to ") + output_.path);
    show(report());
    if (!complete())
      return make_error(ErrorCode::cancelled, "interrupted; the same call goes on where this one stopped");
    journal_.reset();
    std::error_code ignored;
    fs::remove(path_, ignored);
    return {};
  }

private:
  bool complete() const { return std::ssize(done_) == cells_->count(); }

  Status bind() {
    cells_ = method_.cells();
    if (cells_->needs_task()) {
      HS_ASSIGN(task_, make_task(*engine_.model().tokenizer, method_.task()->request()));
      note_dropped(dropped_lines(*task_), context_);
    }
    return cells_->bind({&engine_, task_ ? &*task_ : nullptr, task_ ? task_->name : "", method_.info().group(), {}});
  }

  // Continues an existing journal, or begins one.
  Status begin() {
    const std::string text = resumable_text(method_, engine_.model().identity.sha256());
    HS_ASSIGN(std::string fingerprint,
              fingerprint_of(text, engine_.model(), model_, task_ ? &*task_ : nullptr, method_, *cells_));
    header_ = {std::move(fingerprint), cells_->count(), utc_time(), context_.command_line, {}, text, output_.path};
    if (is_there(path_)) {
      HS_ASSIGN(const bool resumed, resume());
      if (resumed) return {};
    }
    if (is_there(output_.path) && !output_.force)
      return make_error(ErrorCode::already_exists, "exists; give --force to replace it", output_.path, "--out");
    HS_ASSIGN(Journal journal, Journal::create(path_, header_));
    journal_.emplace(std::move(journal));
    return {};
  }

  // Continues the journal; returns false where it was another run's and has been removed.
  Result<bool> resume() {
    auto content = read_journal(path_);
    const bool own = content.ok() && content->header.fingerprint == header_.fingerprint;
    if (!own && output_.force) {
      std::error_code error;
      fs::remove(path_, error);
      if (error) return make_error(ErrorCode::io, "cannot be removed: " + error.message(), path_);
      return false;
    }
    if (!content.ok()) return content.error();
    if (!own)
      return make_error(
          ErrorCode::mismatch,
          "is of other options, other files, another model or version; finish that run, or give --force to discard it",
          path_, "--out");
    HS_ASSIGN(Journal journal, Journal::resume(path_, *content));
    journal_.emplace(std::move(journal));
    header_ = std::move(content->header);
    done_ = std::move(content->cells);
    resumed_ = std::ssize(done_);
    context_.note(printed("resuming: %lld of %lld cells are finished", static_cast<long long>(*resumed_),
                          static_cast<long long>(cells_->count())));
    return true;
  }

  Status run_cells(bool waiting) {
    const RunControl shown = context_.control();
    for (std::int64_t cell = 0; cell < cells_->count(); ++cell) {
      if (done_.contains(cell) || cells_->waits(cell) != waiting) continue;
      shown.report("cells", std::ssize(done_), cells_->count());
      if (context_.cancel.cancelled()) return {};
      auto result = cells_->run(cell, waiting ? done_ : CellResults{}, quiet_);
      if (!result.ok() && result.error().code == ErrorCode::cancelled) return {};
      if (!result.ok()) return result.error();
      HS_TRY(keep(cell, *result));
    }
    shown.report("cells", std::ssize(done_), cells_->count());
    return {};
  }

  // Keeps a result as a later run would read it from the journal, so that both write the same file.
  Status keep(std::int64_t cell, const nlohmann::json& result) {
    HS_TRY(journal_->append(cell, result));
    HS_ASSIGN(CellResults one, as_read_back(cell, result));
    done_.merge(one);
    return {};
  }

  Status write() const {
    store::ResultOptions how;
    how.overwrite = output_.force || resumed_; // a file of that name is this run's own: begin() has seen to that
    how.provenance = {headscope_version(), libtorch_version(), header_.command_line, method_.seeds(), header_.created};
    HS_ASSIGN(store::ResultWriter writer, store::ResultWriter::create(output_.path, how));
    HS_TRY(store_model(writer, engine_.model(), option_attributes(model_)));
    HS_TRY(store_options(writer, method_));
    if (task_) HS_TRY(store_task(writer, engine_.model(), task_->name, *task_));
    HS_TRY(cells_->store(writer, done_));
    return writer.commit(complete());
  }

  Report report() const {
    const auto finished = std::ssize(done_), all = static_cast<std::ptrdiff_t>(cells_->count());
    return {
        {{"file", output_.path},
         {"method", method_.info().id},
         {"complete", complete()},
         {"cells", cells_->count()},
         {"finished", finished},
         {"resumed", resumed_.value_or(0)}},
        printed("%s: %td of %td cells are finished; the numbers are in the file\n", method_.info().id, finished, all),
        complete()};
  }

  Method& method_;
  const Engine& engine_;
  const ModelOptions& model_;
  const OutputOptions& output_;
  const Context& context_;
  const Context quiet_;
  const std::string path_ = journal_of(output_.path);
  std::unique_ptr<Cells> cells_;
  std::optional<TaskSet> task_; // unset: the cells need none
  JournalHeader header_;
  std::optional<Journal> journal_;
  CellResults done_;
  std::optional<std::int64_t> resumed_; // cells that were finished before; unset: there was no journal
};

} // namespace

Status check_cells(Method& method) {
  const std::string id = method.info().id;
  if (!method.cells()) return make_error(ErrorCode::unsupported, "is not cut into cells", {}, id);
  HS_ASSIGN(const std::unique_ptr<Method> fresh, make_method(id));
  OptionList asked, standard;
  method.options(asked);
  fresh->options(standard);
  for (const Option& option : asked.all())
    if (option.offered == Offered::command_line &&
        option.attribute().value != standard.find(option.name)->attribute().value)
      return make_error(ErrorCode::unsupported, "does not go with cells: " + option.only_because, {}, option.flag());
  return {};
}

Status check_resumable(Method& method, const OutputOptions& output) {
  HS_TRY(check_cells(method));
  if (output.path.empty())
    return make_error(ErrorCode::invalid_argument, "is needed: the journal of a resumable run lies beside it", {},
                      "--out");
  if (method.cells()->needs_task() && (!method.task() || !method.task()->given()))
    return make_error(ErrorCode::invalid_argument, "a resumable run takes the prompts of a task; name one", {},
                      "--task");
  return check_folder(output.path);
}

std::string resumable_text(Method& method, const std::string& model_sha256) {
  OptionList inputs, options;
  method.inputs(inputs);
  method.options(options);
  const nlohmann::json all = {{"method", method.info().id},
                              {"model", model_sha256},
                              {"inputs", values_of(inputs)},
                              {"options", values_of(options)}};
  return all.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void add_to_fingerprint(nlohmann::json& all, const TaskSet& task) {
  for (const TaskCase& each : task.cases)
    all.push_back({each.tokens.clean, each.tokens.corrupt, each.tokens.answers.answer, each.tokens.answers.wrong});
}

Status add_files_to_fingerprint(nlohmann::json& all, Method& method, const Cells& cells) {
  OptionList options;
  method.options(options);
  for (const Option& option : options.all()) {
    if (!option.file) continue;
    for (const std::string& path : paths_of(option)) {
      std::error_code error;
      if (fs::is_regular_file(path, error) || fs::is_directory(path, error)) {
        HS_ASSIGN(std::string hash, haystack_sha256(path));
        all.push_back({option.name, std::move(hash)});
      }
    }
  }
  HS_ASSIGN(const std::vector<std::string> hashes, cells.file_hashes());
  for (const std::string& hash : hashes)
    all.push_back(hash);
  return {};
}

std::optional<Unfinished> find_unfinished(const std::string& out, const std::string& text) {
  if (out.empty()) return std::nullopt;
  const auto content = read_journal(journal_of(out));
  if (!content.ok() || content->header.text != text) return std::nullopt;
  return Unfinished{std::ssize(content->cells), content->header.cells};
}

Status run_resumable(Method& method, const Engine& engine, const ModelOptions& model, const OutputOptions& output,
                     const Context& context, const Show& show) {
  return ResumableRun(method, engine, model, output, context).run(show);
}

} // namespace headscope::methods
