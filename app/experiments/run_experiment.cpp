// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/experiments/run_experiment.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <regex>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/experiments/bound.h"
#include "app/methods/base/output.h"
#include "app/methods/base/values.h"
#include "app/runs/result_parts.h"
#include "core/base/utc_time.h"

namespace headscope::experiments {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// Removes --shard from the command line, since how the work is divided is no part of the result.
std::string without_shard(const std::string& command_line) {
  return std::regex_replace(command_line, std::regex(" --shard[ =][0-9]+/[0-9]+"), "");
}

// Writes OUT.log, one line per event; only rank 0 writes it.
class RunLog {
public:
  RunLog() = default;
  RunLog(const RunLog&) = delete;
  RunLog& operator=(const RunLog&) = delete;
  ~RunLog() {
    if (file_) std::fclose(file_);
  }
  // Opens the file without following a link, which anybody could have put into a folder that all may write to.
  void open(const std::string& path) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    struct stat info {};
    if (fd >= 0 && ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) file_ = ::fdopen(fd, "a");
    if (fd >= 0 && !file_) ::close(fd);
  }
  void say(const std::string& line) const {
    if (!file_) return;
    std::fprintf(file_, "%s %s\n", utc_time().c_str(), line.c_str());
    std::fflush(file_);
  }

private:
  std::FILE* file_ = nullptr;
};

// The journals of this result file: of a single run, of ranks and of shards.
std::vector<std::string> journals_of(const std::string& base) {
  std::vector<std::string> found;
  const fs::path path = base;
  const std::string start = path.filename().string();
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path.has_parent_path() ? path.parent_path() : ".", error)) {
    const std::string name = entry.path().filename().string();
    const bool of_rank =
        name.rfind(start + "-", 0) == 0 && name.find_first_not_of("0123456789", start.size() + 1) == std::string::npos;
    if (name == start || of_rank) found.push_back((path.parent_path() / name).string());
  }
  return found;
}

// Leftovers of journals that were killed before they got their name.
std::vector<std::string> unborn_journals(const std::string& base) {
  std::vector<std::string> found;
  const fs::path path = base;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path.has_parent_path() ? path.parent_path() : ".", error))
    if (entry.path().filename().string().rfind(path.filename().string() + ".new-", 0) == 0)
      found.push_back(entry.path().string());
  return found;
}

class Run {
public:
  Run(BoundExperiment& bound, const RunOptions& options, const Ranks& ranks, const methods::Context& context,
      const methods::Show& show)
      : bound_(bound), options_(options), ranks_(ranks), context_(context), show_(show),
        out_(options.out.empty() ? bound.spec.out : options.out), base_(journal_base()) {}

  Status all() {
    HS_TRY(begin());
    quiet_ = context_.silent();
    HS_TRY(run_cells(false));
    HS_TRY(collect());
    if (options_.shard) return finish_shard();
    if (ranks_.rank() != 0) return {};
    if (!context_.cancel.cancelled()) HS_TRY(run_cells(true));
    return finish();
  }

private:
  std::string journal_base() const {
    if (!options_.shard) return out_ + ".journal";
    return out_ + ".shard-" + std::to_string(options_.shard->index) + "-of-" + std::to_string(options_.shard->count) +
           ".journal";
  }
  std::string own_journal() const { return ranks_.rank() == 0 ? base_ : base_ + "-" + std::to_string(ranks_.rank()); }
  std::int64_t missing() const { return bound_.cells() - static_cast<std::int64_t>(done_.size()); }

  // Rank 0 reads the journals; all ranks get the header and the finished cells.
  Status begin() {
    JournalHeader fresh{bound_.fingerprint, bound_.cells(),   utc_time(), without_shard(context_.command_line),
                        bound_.spec.file,   bound_.spec.text, out_};
    header_ = fresh;
    if (ranks_.rank() == 0) HS_TRY(read_journals());
    HS_ASSIGN(const std::string header, ranks_.broadcast(to_json(header_).dump()));
    HS_ASSIGN(header_, header_from_json(nlohmann::json::parse(header)));
    HS_ASSIGN(const std::string cells, ranks_.broadcast(pack_cells(done_)));
    HS_ASSIGN(done_, unpack_cells(cells));
    resumed_ = static_cast<std::int64_t>(done_.size());
    if (resumed_ > 0 && options_.journals.empty())
      context_.note("resuming: " + std::to_string(resumed_) + " of " + std::to_string(bound_.cells()) +
                    " cells are finished");
    if (ranks_.rank() == 0) log_.open(out_ + ".log");
    log_.say("begin " + bound_.spec.name + ": " + std::to_string(bound_.cells()) + " cells, " +
             std::to_string(resumed_) + " finished before, " + std::to_string(ranks_.size()) + " processes");
    return open_journal();
  }

  Status read_journals() {
    std::vector<std::string> files = journals_of(base_);
    if (options_.force && options_.journals.empty()) {
      for (const std::string& file : files)
        HS_TRY(discard_others(file));
      files = journals_of(base_);
    }
    const bool fresh = files.empty() && options_.journals.empty();
    resuming_ = !files.empty();
    if (fs::exists(out_) && !options_.shard && !options_.force && files.empty())
      return make_error(ErrorCode::already_exists, "exists; give --force to replace it", out_, "--out");
    files.insert(files.end(), options_.journals.begin(), options_.journals.end());
    for (const std::string& file : files) {
      HS_ASSIGN(JournalContent content, read_journal(file));
      if (content.header.fingerprint != bound_.fingerprint)
        return make_error(ErrorCode::mismatch,
                          "is of another experiment, model or version; finish that one, or give --force to discard it",
                          file);
      if (&file == &files.front()) header_ = content.header;
      done_.merge(content.cells);
    }
    return fresh ? check_folder() : Status();
  }

  // --force starts again only where the journal belongs to another experiment.
  Status discard_others(const std::string& file) const {
    const auto content = read_journal(file);
    if (content.ok() && content->header.fingerprint == bound_.fingerprint) return {};
    std::error_code error;
    fs::remove(file, error);
    return error ? make_error(ErrorCode::io, "cannot be removed: " + error.message(), file) : Status();
  }

  Status check_folder() const {
    const fs::path parent = fs::path(out_).parent_path();
    if (parent.empty() || fs::is_directory(parent)) return {};
    return make_error(ErrorCode::io, "its folder does not exist", out_, "--out");
  }

  Status open_journal() {
    if (fs::exists(own_journal())) {
      HS_ASSIGN(const JournalContent content, read_journal(own_journal()));
      if (content.header.fingerprint != bound_.fingerprint)
        return make_error(ErrorCode::mismatch, "is of another experiment", own_journal());
      HS_ASSIGN(Journal journal, Journal::resume(own_journal(), content));
      journal_.emplace(std::move(journal));
      return {};
    }
    HS_ASSIGN(Journal journal, Journal::create(own_journal(), header_));
    journal_.emplace(std::move(journal));
    return {};
  }

  // Whether everything that a cell waits for is finished.
  bool ready(std::int64_t cell) const {
    const Part& part = bound_.part_of(cell);
    for (std::int64_t other = part.first_cell; other < part.end(); ++other)
      if (!bound_.waits(other) && !done_.contains(other)) return false;
    return true;
  }

  std::vector<std::int64_t> my_cells(bool waiting) const {
    std::vector<std::int64_t> mine;
    std::int64_t turn = 0;
    for (std::int64_t cell = 0; cell < bound_.cells(); ++cell) {
      if (done_.contains(cell) || bound_.waits(cell) != waiting) continue;
      if (options_.shard && !options_.shard->has(cell)) continue;
      if (waiting && !ready(cell)) continue;
      if (waiting || turn++ % ranks_.size() == ranks_.rank()) mine.push_back(cell);
    }
    return mine;
  }

  Status run_cells(bool waiting) {
    if (!options_.journals.empty() && !waiting) return check_merged();
    const std::vector<std::int64_t> mine = my_cells(waiting);
    const RunControl shown = context_.control();
    for (std::size_t i = 0; i < mine.size() && !context_.cancel.cancelled(); ++i) {
      const Part& part = bound_.part_of(mine[i]);
      if (ranks_.rank() == 0)
        shown.report("cells", static_cast<std::int64_t>(i), static_cast<std::int64_t>(mine.size()));
      const Clock::time_point begin = Clock::now();
      auto result = run_cell(mine[i], part);
      if (!result.ok() && result.error().code == ErrorCode::cancelled) return {};
      if (!result.ok()) {
        log_.say("failed " + result.error().to_string());
        return result.error();
      }
      HS_TRY(keep(mine[i], *result));
      char line[128];
      std::snprintf(line, sizeof line, "cell %lld of %lld, %.3f s: ", static_cast<long long>(mine[i]),
                    static_cast<long long>(bound_.cells()),
                    std::chrono::duration<double>(Clock::now() - begin).count());
      log_.say(line + part.name);
    }
    if (ranks_.rank() == 0 && !mine.empty() && !context_.cancel.cancelled())
      shown.report("cells", static_cast<std::int64_t>(mine.size()), static_cast<std::int64_t>(mine.size()));
    context_.finish_progress();
    return {};
  }

  // Cells of one model follow one another, so that each model is loaded once.
  Result<nlohmann::json> run_cell(std::int64_t cell, const Part& part) {
    HS_TRY(bound_.open(part.model, quiet_));
    return bound_.run(cell, done_, quiet_);
  }

  // Keeps a result as a later run would read it from the journal, so that both write the same file.
  Status keep(std::int64_t cell, const nlohmann::json& result) {
    HS_TRY(journal_->append(cell, result));
    HS_ASSIGN(CellResults one, as_read_back(cell, result));
    new_.insert(*one.begin());
    done_.merge(one);
    return {};
  }

  // Collects all cells at rank 0.
  Status collect() {
    HS_ASSIGN(const auto parts, ranks_.gather(pack_cells(new_)));
    for (const std::string& part : parts) {
      HS_ASSIGN(CellResults cells, unpack_cells(part));
      done_.merge(cells);
    }
    return {};
  }

  Status check_merged() const {
    std::int64_t open = 0;
    for (std::int64_t cell = 0; cell < bound_.cells(); ++cell)
      open += !done_.contains(cell) && !bound_.waits(cell) ? 1 : 0;
    if (open == 0 || options_.partial) return {};
    return make_error(ErrorCode::mismatch,
                      std::to_string(open) + " of " + std::to_string(bound_.cells()) +
                          " cells are in none of the journals; add the other shards', or give --partial",
                      options_.journals.front());
  }

  Status finish_shard() {
    if (ranks_.rank() != 0) return {};
    const std::vector<std::int64_t> left = my_cells(false);
    context_.note("the cells of this shard are in " + base_ + "; headscope merge makes the result of all");
    summarise(base_, left.empty());
    return left.empty() ? Status() : Status(make_error(ErrorCode::cancelled, "interrupted"));
  }

  Status finish() {
    context_.finish_progress();
    const bool complete = missing() == 0;
    store::Provenance provenance{headscope_version(), libtorch_version(), header_.command_line, {}, header_.created};
    // An existing file of that name is this experiment's own, made from the same journal: begin() has checked that.
    methods::Context uninterrupted = quiet_; // finished work is written even after Ctrl-C
    uninterrupted.cancel = {};
    HS_TRY(write_result(bound_, done_, out_, options_.force || resuming_, provenance, uninterrupted));
    log_.say((complete ? "wrote " : "wrote what is finished to ") + out_);
    context_.note((complete ? "wrote " : "wrote what was done until now to ") + out_);
    summarise(out_, complete);
    if (!complete && !options_.partial)
      return make_error(ErrorCode::cancelled, "interrupted; the same command goes on where this one stopped");
    journal_.reset();
    std::error_code ignored;
    for (const std::string& file : journals_of(base_))
      fs::remove(file, ignored);
    for (const std::string& file : unborn_journals(base_))
      fs::remove(file, ignored);
    return {};
  }

  void summarise(const std::string& file, bool complete) const {
    const double seconds = std::chrono::duration<double>(Clock::now() - began_).count();
    nlohmann::json steps = nlohmann::json::array();
    std::vector<std::vector<std::string>> lines = {{"step", "method", "task", "cells", "finished"}};
    for (const Part& part : bound_.parts) {
      const Step& step = bound_.step_of(part);
      const auto finished = static_cast<std::int64_t>(BoundExperiment::of_part(part, done_).size());
      steps.push_back({{"name", part.name},
                       {"method", step.id()},
                       {"task", step.task},
                       {"cells", part.cells()},
                       {"finished", finished}});
      if (bound_.several()) steps.back()["model"] = bound_.spec.models[part.model].name;
      lines.push_back({part.name, step.id(), step.task, std::to_string(part.cells()), std::to_string(finished)});
    }
    show_({{{"file", file},
            {"name", bound_.spec.name},
            {"complete", complete},
            {"cells", bound_.cells()},
            {"resumed", resumed_},
            {"processes", ranks_.size()},
            {"seconds", seconds},
            {"steps", std::move(steps)},
            {"dropped", bound_.dropped}},
           methods::aligned(lines)});
  }

  BoundExperiment& bound_;
  const RunOptions& options_;
  const Ranks& ranks_;
  const methods::Context& context_;
  const methods::Show& show_;
  methods::Context quiet_;
  std::string out_, base_;
  RunLog log_;
  Clock::time_point began_ = Clock::now();
  JournalHeader header_;
  CellResults done_, new_;
  std::int64_t resumed_ = 0;
  bool resuming_ = false; // a journal was there
  std::optional<Journal> journal_;
};

} // namespace

Status run_experiment(Experiment experiment, const RunOptions& options, const methods::Context& context,
                      const methods::Show& show) {
  if (options.out.empty() && experiment.out.empty())
    return make_error(ErrorCode::invalid_argument, "give --out FILE, or file in [output]", experiment.file, "--out");
  HS_ASSIGN(const Ranks ranks, Ranks::join());
  const methods::Context own = ranks.rank() == 0 ? context : context.silent();
  const auto work = [&]() -> Status {
    HS_ASSIGN(BoundExperiment bound, bind_experiment(std::move(experiment), ranks, own));
    return Run(bound, options, ranks, own, show).all();
  };
  const Status status = work();
  const bool cancelled = !status.ok() && status.error().code == ErrorCode::cancelled;
  if (!status.ok() && !cancelled && ranks.size() > 1) {
    std::fprintf(stderr, "headscope: rank %d: %s\n", ranks.rank(), status.error().to_string().c_str());
    ranks.abort(exit_code(status.error().code));
  }
  HS_ASSIGN(const int worst, ranks.largest(status.ok() ? 0 : 1));
  if (status.ok() && worst != 0) return make_error(ErrorCode::cancelled, "interrupted");
  return status;
}

} // namespace headscope::experiments
