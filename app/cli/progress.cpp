// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/progress.h"
#include "core/base/plain_text.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <mutex>

#include <sys/ioctl.h>
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

  static std::string time_left(double elapsed, double measured, double left, bool finished) {
    if (finished) return duration_text(elapsed);
    return measured > 0 ? duration_text(elapsed / measured * left) + " left" : "…";
  }

  // The width in columns; 0: not known.
  static int terminal_width() {
    struct winsize size {};
    return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
  }

  // The bar gets the width that stage, percentage and time leave of the terminal, and is omitted where that is too
  // little: a line that wraps would stay on the screen at each step.
  static std::string bar_line(const std::string& stage, double share, const std::string& time) {
    constexpr int usual = 24, least = 8, most = 72, others = 25;
    const int width = terminal_width(), stage_width = std::max(24, static_cast<int>(stage.size()));
    const int bar = width == 0 ? usual : std::min(width - 1 - stage_width - others, most);
    char line[512];
    if (bar < least) {
      std::snprintf(line, sizeof line, "%.*s %3.0f %%", std::max(width - 7, 0), stage.c_str(), 100.0 * share);
      return line;
    }
    std::string filled(static_cast<std::size_t>(share * bar), '#');
    filled.resize(static_cast<std::size_t>(bar), '.');
    std::snprintf(line, sizeof line, "%-24s [%s] %3.0f %%  %s", stage.c_str(), filled.c_str(), 100.0 * share,
                  time.c_str());
    return line;
  }

  void draw(const Progress& progress, double elapsed, bool finished) {
    const std::string stage = plain_text(progress.stage);
    std::string line = stage;
    if (progress.total <= 0) {
      line.resize(std::max<std::size_t>(line.size(), 24), ' ');
      line.append(" ").append(std::to_string(progress.done));
    } else {
      const double share = static_cast<double>(progress.done) / static_cast<double>(progress.total);
      const std::string time = time_left(elapsed, static_cast<double>(progress.done - first_),
                                         static_cast<double>(progress.total - progress.done), finished);
      char percent[16];
      std::snprintf(percent, sizeof percent, ": %.0f %%, ", 100.0 * share);
      if (terminal_)
        line = bar_line(stage, share, time);
      else
        line.append(percent).append(time);
    }
    std::fprintf(stderr, terminal_ ? "\r\033[K%s" : "%s\n", line.c_str());
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
