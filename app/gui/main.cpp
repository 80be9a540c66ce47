// SPDX-License-Identifier: GPL-3.0-or-later
// headscope-gui: the window, or with --screenshot a picture of one of its views.
#include <cstdio>

#include <QApplication>
#include <QDir>
#include <QFileInfo>
#include <QScreen>
#include <QTimer>

#include <CLI/CLI.hpp>

#include "app/gui/window/main_window.h"
#include "app/gui/window/screenshot.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "core/base/standard_streams.h"
#include "core/io/mapped_fault.h"
#include "core/vocabulary/head_id.h"

namespace headscope::gui {
namespace {

struct Options {
  std::string open, prompt, head, attention, screenshot, view = "window", theme = "system";
  int width = 1280, height = 800;
  double font_scale = 1.0;
};

Theme parse_theme(const std::string& name) {
  return name == "dark" ? Theme::dark : name == "light" ? Theme::light : Theme::system;
}

std::string view_names() {
  std::string names = "window";
  for (const ViewKind& kind : all_views())
    names += ", " + kind.id.toStdString();
  return names;
}

void add_options(CLI::App& app, Options& options) {
  app.add_option("open", options.open, "A result file (.h5), a model (folder, .gguf) or smollm2, gemma3-270m");
  app.add_option("--prompt,-p", options.prompt, "The prompt to begin with");
  app.add_option("--head", options.head, "The head to begin with, e.g. 18.6");
  app.add_option("--attention", options.attention,
                 "The attention plan to begin with: window:window=128@layers=4-29 (docs/attention-lab.md)");
  app.add_option("--screenshot", options.screenshot, "Write a picture of the view and end; needs no display");
  app.add_option("--view", options.view, "Of the picture, or on top at first: " + view_names());
  app.add_option("--theme", options.theme, "system, light or dark")->check(CLI::IsMember({"system", "light", "dark"}));
  app.add_option("--width", options.width, "Of the window in pixels")->check(CLI::Range(320, 16384));
  app.add_option("--height", options.height, "Of the window in pixels")->check(CLI::Range(240, 16384));
  app.add_option("--font-scale", options.font_scale, "Size of the text, 1 is the system's")
      ->check(CLI::Range(0.5, 3.0));
  app.footer("Example: headscope-gui smollm2 --prompt \"When Mary and John went to the store, John gave a drink to\" "
             "--view attention");
}

void start(MainWindow& window, const Options& options) {
  Workspace& workspace = window.workspace();
  if (!options.prompt.empty() || !options.head.empty() || !options.attention.empty())
    // Runs once, when the model is loaded; the session is ignored.
    QObject::connect(
        &workspace, &Workspace::model_changed, &window,
        [&workspace, &options] {
          if (!options.head.empty()) {
            const auto heads = parse_heads(options.head, workspace.n_layers(), workspace.n_heads());
            if (heads.ok())
              workspace.selection().set_heads(*heads);
            else
              workspace.report(QStringLiteral("The head was not selected"), heads.error());
          }
          if (!options.attention.empty()) workspace.set_attention(options.attention);
          if (!options.prompt.empty()) workspace.set_prompt({options.prompt, false, true});
        },
        Qt::SingleShotConnection);
  if (!options.open.empty())
    window.open_path(QString::fromStdString(options.open));
  else if (options.screenshot.empty())
    window.restore_session();
}

int picture(MainWindow& window, const Options& options) {
  take_screenshot(window, {QString::fromStdString(options.screenshot), QString::fromStdString(options.view)},
                  [](const Status& status) {
                    if (!status.ok()) std::fprintf(stderr, "headscope-gui: %s\n", status.error().to_string().c_str());
                    QCoreApplication::exit(status.ok() ? 0 : exit_code(status.error().code));
                  });
  QObject::connect(&window.workspace(), &Workspace::failed, &window, [](const QString& what, const Error& error) {
    std::fprintf(stderr, "headscope-gui: %s: %s\n", qPrintable(what), error.to_string().c_str());
    QCoreApplication::exit(exit_code(error.code));
  });
  return QCoreApplication::exec();
}

int run(int argc, char** argv) {
  Options options;
  CLI::App app("Headscope: explore the attention heads of language models", "headscope-gui");
  add_options(app, options);
  CLI11_PARSE(app, argc, argv);
  const bool shoot = !options.screenshot.empty();
  if (shoot && !qEnvironmentVariableIsSet("QT_QPA_PLATFORM")) qputenv("QT_QPA_PLATFORM", "offscreen");
  QApplication application(argc, argv);
  QApplication::setApplicationName(QStringLiteral("headscope-gui"));
  QApplication::setApplicationVersion(QStringLiteral(HEADSCOPE_VERSION));
  const QString session = shoot ? QString() : session_path();
  if (!shoot) {
    const QString folder = QFileInfo(session).path();
    QDir().mkpath(folder);
    log::add_file((folder + QStringLiteral("/log.txt")).toStdString());
  }
  MainWindow window(session);
  if (shoot || app.count("--theme") + app.count("--font-scale") > 0)
    window.set_look(parse_theme(options.theme), options.font_scale);
  if (options.view != "window" && !window.view(QString::fromStdString(options.view))) {
    std::fprintf(stderr, "headscope-gui: --view: there is no view '%s'; there are %s\n", options.view.c_str(),
                 view_names().c_str());
    return exit_code(ErrorCode::not_found);
  }
  if (shoot || app.count("--width") + app.count("--height") > 0) window.resize(options.width, options.height);
  // A picture may be larger than any screen, a window may not.
  if (!shoot) window.fit_into(window.screen()->availableGeometry());
  window.show();
  start(window, options);
  const QString view = QString::fromStdString(options.view);
  if (options.view != "window")
    // Runs after the first model or file has placed the docks.
    for (const auto signal : {&Workspace::model_changed, &Workspace::result_changed})
      QObject::connect(
          &window.workspace(), signal, &window,
          [&window, view, shoot] { shoot ? window.show_only(view) : window.raise_view(view); }, Qt::QueuedConnection);
  return shoot ? picture(window, options) : QApplication::exec();
}

} // namespace
} // namespace headscope::gui

int main(int argc, char** argv) {
  headscope::open_standard_streams();
  headscope::keep_freed_memory();
  headscope::io::report_cut_files();
  try {
    return headscope::gui::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "headscope-gui: %s\n", error.what());
    return headscope::exit_code(headscope::ErrorCode::internal);
  }
}
