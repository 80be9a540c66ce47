// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/progress.h"

#include <chrono>
#include <cstdio>
#include <mutex>

#include <unistd.h>

namespace headscope::cli {
namespace {

using Clock = std::chrono::steady_clock;

std::string duration_text(double seconds) {
  char text[32];
  const int whole = static_cast<int>(seconds + 0.5);
  if (whole < 60)
    std::snprintf(text, sizeof text, "%d s", whole);
  else if (whole < 3600)
    std::snprintf(text, sizeof text, "%d:%02d min", whole / 60, whole % 60);
  else
    std::snprintf(text, sizeof text, "%d:%02d h", whole / 3600, whole / 60 % 60);
  return text;
}

class Display {
public:
  void show(const Progress& progress) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const Clock::time_point now = Clock::now();
    if (progress.stage != stage_) begin(progress, now);
    const bool finished = progress.total > 0 && progress.done >= progress.total;
    const double elapsed = seconds(now - began_);
    if (elapsed < 1.0) return;
    if (!finished && seconds(now - shown_) < (terminal_ ? 0.1 : 5.0)) return;
    if (finished && said_finished_) return;
    said_finished_ = finished;
    shown_ = now;
    draw(progress, elapsed, finished);
  }

  void finish() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (drawn_ && terminal_) std::fputc('\n', stderr);
    drawn_ = false;
    stage_.clear();
  }

private:
  static double seconds(Clock::duration d) { return std::chrono::duration<double>(d).count(); }

  void begin(const Progress& progress, Clock::time_point now) {
    if (drawn_ && terminal_) std::fputc('\n', stderr);
    stage_ = progress.stage;
    began_ = now;
    first_ = progress.done;
    shown_ = now - std::chrono::hours(1);
    drawn_ = said_finished_ = false;
  }

  void draw(const Progress& progress, double elapsed, bool finished) {
    char line[256];
    if (progress.total <= 0) {
      std::snprintf(line, sizeof line, "%-24s %lld", progress.stage.c_str(), static_cast<long long>(progress.done));
    } else {
      const double share = static_cast<double>(progress.done) / static_cast<double>(progress.total);
      const auto measured = static_cast<double>(progress.done - first_);
      const std::string time =
          finished ? duration_text(elapsed)
          : measured > 0
              ? duration_text(elapsed / measured * static_cast<double>(progress.total - progress.done)) + " left"
              : std::string("…");
      char bar[25];
      for (int i = 0; i < 24; ++i)
        bar[i] = i < static_cast<int>(share * 24.0) ? '#' : '.';
      bar[24] = '\0';
      if (terminal_)
        std::snprintf(line, sizeof line, "%-24s [%s] %3.0f %%  %s", progress.stage.c_str(), bar, 100.0 * share,
                      time.c_str());
      else
        std::snprintf(line, sizeof line, "%s: %.0f %%, %s", progress.stage.c_str(), 100.0 * share, time.c_str());
    }
    std::fprintf(stderr, terminal_ ? "\r\033[K%s" : "%s\n", line);
    std::fflush(stderr);
    drawn_ = true;
  }

  std::mutex mutex_;
  bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  std::string stage_;
  Clock::time_point began_, shown_;
  std::int64_t first_ = 0;
  bool drawn_ = false, said_finished_ = false;
};

Display& display() {
  static Display shared;
  return shared;
}

} // namespace

ProgressFn progress_display() {
  return [](const Progress& progress) { display().show(progress); };
}

void finish_progress() { display().finish(); }

} // namespace headscope::cli
