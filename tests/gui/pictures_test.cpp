// SPDX-License-Identifier: GPL-3.0-or-later
// Pictures of every view with something in it, to be looked at: in both themes, with small and large text, in windows
// of three sizes. Makes them in the folder HEADSCOPE_PICTURES, and nothing without it; on the default model.
#include <QComboBox>
#include <QDir>
#include <QDockWidget>

#include "app/gui/views/circuit/circuit_view.h"
#include "app/gui/views/circuit/discover_bar.h"
#include "app/gui/views/circuit/graph_canvas.h"
#include "app/gui/views/detectors/detectors_view.h"
#include "app/gui/views/grid/grid_view.h"
#include "app/gui/views/grid/sweep_bar.h"
#include "app/gui/views/patching/pair_editor.h"
#include "app/gui/views/patching/patching_view.h"
#include "tests/gui/real_tasks.h"

namespace headscope::gui::test {
namespace {

constexpr const char* folder_of_pictures = "HEADSCOPE_PICTURES";

class Pictures : public RealTask {
protected:
  void SetUp() override {
    if (!qEnvironmentVariableIsSet(folder_of_pictures)) GTEST_SKIP() << "no folder was named";
    open_window();
  }
  static QDir folder() { return QDir(qEnvironmentVariable(folder_of_pictures)); }
  void show_window(QSize size, double font, Theme theme) {
    in_window([&] {
      window().showNormal();
      window().resize(size);
      window().set_look(theme, font);
    });
    settle();
  }
  void fill_views(const QString& prompt) {
    in_window([this] { window().open_path(QStringLiteral("smollm2")); });
    until("the model", [this] { return workspace().model().has_value(); });
    type_prompt(prompt);
    in_window([this] {
      workspace().selection().set_head({18, 6});
      workspace().ablation().toggle({18, 6});
      workspace().ablation().toggle({17, 3});
      auto& detectors = dynamic_cast<DetectorsView&>(*window().view(QStringLiteral("detectors")));
      detectors.tick("induction", true);
      detectors.run_ticked();
    });
    settle();
    go_to_tab("patching");
    auto& patching = the_view<PatchingView>("patching");
    click_button(patching, QStringLiteral("From a task"));
    hand().click_action(QStringLiteral("ioi"));
    until("the pair", [this] { return workspace().pair().has_value(); });
    in_window([&] { patching.run(); });
    until("the map", [&] { return patching.measured() && patching.measured()->complete; });
    go_to_tab("circuit");
    auto& circuit = the_view<CircuitView>("circuit");
    choose(*find_named<QComboBox>(circuit.discover(), "Method"), QStringLiteral("eap"));
    click_button(circuit.discover(), QStringLiteral("Discover"));
    until("the circuit", [&] { return !circuit.discover().running() && circuit.canvas().edge_count() > 0; });
    settle();
  }
  void shoot(const QString& name) {
    for (const ViewKind& kind : all_views()) {
      in_window([&] { window().raise_view(kind.id); });
      settle();
      expect_no_scrolling();
      in_window([&] { must(window().grab().save(name + u'-' + kind.id + QStringLiteral(".png")), name); });
    }
  }
};

TEST_F(Pictures, OfEveryView) {
  fill_views(QStringLiteral("When Mary and John went to the store, John gave a drink to"));
  for (const auto& [size, font] :
       {std::pair(QSize(1600, 1000), 1.0), {QSize(1024, 700), 1.5}, {QSize(3840, 2160), 1.0}})
    for (const auto& [theme, name] : {std::pair(Theme::light, "light"), {Theme::dark, "dark"}}) {
      show_window(size, font, theme);
      shoot(folder().filePath(QStringLiteral("%1-%2").arg(size.width()).arg(QString::fromLatin1(name))));
    }
}

TEST_F(Pictures, OfTheDocumentation) {
  const auto save = [this](QWidget& of, const char* name) {
    settle();
    in_window([&] {
      must(of.grab().save(folder().filePath(QString::fromLatin1(name) + QStringLiteral(".png"))), folder().path());
    });
  };
  fill_views(QStringLiteral("The wolf met a fox near Oslo. The wolf met a fox near"));
  show_window({1600, 1000}, 1.0, Theme::light);
  in_window([this] {
    workspace().answers().set({" Oslo", " the"});
    for (const char* view : {"grid", "attention", "ablation"})
      window().raise_view(QString::fromLatin1(view));
  });
  save(window(), "window");
  show_window({1100, 1020}, 1.0, Theme::light);
  for (const char* name : {"attention", "ablation", "lens", "circuit"}) {
    View* view = in_window([&] { return window().view(QString::fromLatin1(name)); });
    in_window([&] { window().show_only(view->id()); });
    save(*view, name);
  }
}

} // namespace
} // namespace headscope::gui::test
