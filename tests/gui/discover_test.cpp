// SPDX-License-Identifier: GPL-3.0-or-later
// Circuits that the window finds, on a small random model, against core: the bar, its answers, the curve, and circuits
// built of the edges that are shown.
#include <QClipboard>
#include <QGuiApplication>
#include <QLabel>
#include <QSignalSpy>
#include <QTemporaryDir>

#include <QtCharts>

#include "app/gui/engine/engine_state.h"
#include "app/gui/style/theme.h"
#include "app/gui/views/charts.h"
#include "app/gui/views/circuit/circuit_controls.h"
#include "app/gui/views/circuit/circuit_view.h"
#include "app/gui/views/circuit/discover_bar.h"
#include "app/gui/views/circuit/graph_canvas.h"
#include "app/methods/methods.h"
#include "core/circuits/edge_scores.h"
#include "core/circuits/scored_circuit.h"
#include "tests/gui/copied_command.h"
#include "tests/gui/menus.h"
#include "tests/gui/patience.h"
#include "tests/gui/tiny_model_folder.h"

namespace headscope::gui {

class DiscoverTest : public QObject {
  Q_OBJECT

  test::TinyModelFolder folder_;

  struct Opened {
    explicit Opened(const QString& model, bool pair = true) : view(workspace, nullptr), bar(view.discover()) {
      view.resize(1000, 800);
      view.show();
      workspace.open_model({model.toStdString(), "float32", "cpu"});
      [&] { QTRY_VERIFY(workspace.model().has_value() && workspace.settled()); }();
      if (pair) read();
    }
    // As the patching view does.
    void read() {
      const PatchPrompts prompts{"abcdefgh", "abxdefyh", "k", "m", true};
      workspace.engine().post<PatchPairInfo>({{}, {}}, &view,
                                             [prompts](EngineState& state, const JobContext<PatchPairInfo>& job) {
                                               return read_pair(state, prompts, job.control);
                                             },
                                             {[this](Result<PatchPairInfo> info) {
                                               QVERIFY(info.ok());
                                               workspace.set_pair(*info);
                                             }});
      [&] { QTRY_VERIFY(workspace.pair().has_value()); }();
    }
    template <class Widget> Widget* part(const char* name) { return bar.findChild<Widget*>(QLatin1String(name)); }
    QPushButton* button() { return part<QPushButton>("discover"); }
    void run() {
      QTest::mouseClick(button(), Qt::LeftButton);
      [&] { QTRY_VERIFY(!bar.running() && workspace.settled()); }();
      [&] { QTRY_VERIFY(view.settled()); }();
    }
    Workspace workspace;
    CircuitView view;
    DiscoverBar& bar;
  };

private Q_SLOTS:
  void initTestCase() {
    apply_theme(Theme::light, 1.0);
    QVERIFY(folder_.ok());
  }

  // Every choice of the method is there, and nothing else.
  void the_options_are_those_of_the_method() {
    Opened opened(folder_.path(), false);
    const MethodForm form(std::move(*methods::make_method("circuit")));
    for (const char* name : {"method", "metric"}) {
      auto* box = opened.part<QComboBox>(name);
      const auto& choices = form.field(name)->choices;
      QCOMPARE(box->count(), static_cast<int>(choices.size()));
      for (int i = 0; i < box->count(); ++i)
        QCOMPARE(box->itemText(i).toStdString(), choices[static_cast<std::size_t>(i)].name);
      QCOMPARE(box->currentText().toStdString(), form.field(name)->standard);
    }
    QVERIFY(opened.part<QComboBox>("method")->findText(QStringLiteral("acdc")) >= 0);
    QVERIFY(!opened.button()->isEnabled()); // there is no pair yet
    opened.read();
    QVERIFY(opened.button()->isEnabled());
  }

  void the_scores_are_those_of_core_data() {
    QTest::addColumn<QString>("method");
    for (const char* method : {"eap", "eap_ig_inputs", "exact"})
      QTest::newRow(method) << QString::fromLatin1(method);
  }

  void the_scores_are_those_of_core() {
    QFETCH(QString, method);
    Opened opened(folder_.path());
    opened.part<QComboBox>("method")->setCurrentText(method);
    opened.part<QLineEdit>("steps")->setText(QStringLiteral("3"));
    opened.run();
    QVERIFY2(opened.bar.note().isEmpty(), qPrintable(opened.bar.note()));
    const store::Graph& shown = opened.view.graph().base();
    LoadOptions options;
    options.require_tokenizer = true;
    auto model = load_model(folder_.path().toStdString(), options);
    QVERIFY(model.ok());
    const Engine engine(*model);
    CircuitTask task;
    task.pairs = {patch_pair(*opened.workspace.pair())};
    const ComputationalGraph graph(graph_shape((*model)->config));
    const auto wanted = score_edges(engine, graph, task, {*parse_name<ScoreMethod>(method.toStdString(), "method"), 3});
    QVERIFY(wanted.ok());
    QCOMPARE(shown.edges.size(), wanted->edges.size());
    for (std::size_t i = 0; i < shown.edges.size(); ++i)
      QVERIFY(std::abs(shown.edges[i].score - wanted->edges[i]) <= 1e-6 * (1 + std::abs(wanted->edges[i])));
    QVERIFY(!opened.view.curve().has_value());
    QVERIFY(!opened.view.curve_chart().isVisible());
  }

  void the_curve_is_shown_with_the_place_of_what_is_drawn() {
    Opened opened(folder_.path());
    opened.part<QCheckBox>("curve")->setChecked(true);
    opened.run();
    QVERIFY2(opened.view.curve().has_value(), qPrintable(opened.bar.note()));
    QVERIFY(opened.view.curve_chart().isVisible());
    QChart& chart = *opened.view.curve_chart().chart();
    const figures::LineFigure& figure = *opened.view.curve();
    QCOMPARE(figure.series.size(), 2U);
    QScatterSeries* mark = nullptr;
    for (QAbstractSeries* series : chart.series()) {
      if (auto* points = qobject_cast<QScatterSeries*>(series)) mark = points;
      const auto* line = qobject_cast<QLineSeries*>(series);
      for (const figures::Series& of : figure.series)
        if (line && line->name().toStdString() == of.name) QCOMPARE(line->points().last().y(), of.y.back());
    }
    QVERIFY(mark);
    const auto edges = static_cast<double>(opened.view.graph().shown().edges.size());
    for (const std::size_t n : {std::size_t{40}, std::size_t{10}, std::size_t{100}}) {
      opened.view.set_threshold(opened.view.graph().threshold_of(n));
      const double share = static_cast<double>(opened.view.canvas().edge_count()) / edges;
      QCOMPARE(mark->count(), 2); // on each line
      for (int i = 0; i < 2; ++i)
        QCOMPARE(mark->at(i), QPointF(share, *value_at(figure.series[static_cast<std::size_t>(i)], share, true)));
    }
    // Of a built circuit as many edges count as were asked for, pruned ones too.
    const std::size_t asked = opened.view.canvas().edge_count();
    opened.view.findChild<CircuitControls*>()->rebuild->trigger();
    QTRY_VERIFY(opened.workspace.settled() && opened.view.settled());
    QVERIFY(opened.view.canvas().edge_count() > 0);
    QCOMPARE(mark->at(0).x(), static_cast<double>(asked) / edges);
  }

  void a_circuit_is_kept_where_that_is_asked_for() {
    const QTemporaryDir folder;
    const QString path = folder.filePath(QStringLiteral("kept.h5"));
    Opened opened(folder_.path());
    opened.bar.set_kept_file(path);
    opened.run();
    QTRY_VERIFY(opened.workspace.result().has_value() && opened.workspace.settled());
    QCOMPARE(opened.workspace.result()->path, path.toStdString());
    QVERIFY(opened.view.graph().base().edges.size() > 10);
    // It is not replaced without a word.
    opened.run();
    QVERIFY2(opened.bar.note().contains(path), qPrintable(opened.bar.note()));
  }

  // What was found without a file gets one with its edits, and is of it from then on.
  void a_circuit_that_was_found_can_be_kept_with_its_edits() {
    const QTemporaryDir folder;
    const QString path = folder.filePath(QStringLiteral("later.h5"));
    Opened opened(folder_.path());
    opened.part<QCheckBox>("curve")->setChecked(true);
    opened.run();
    const std::size_t edges = opened.view.graph().base().edges.size();
    const auto heads = [&] {
      std::vector<std::size_t> nodes;
      for (std::size_t i = 0; nodes.size() < 2; ++i)
        if (is_head(opened.view.graph().shown().nodes[i])) nodes.push_back(i);
      return nodes;
    };
    opened.view.canvas().set_selected(heads());
    opened.view.group_selected(QStringLiteral("movers"));
    const GraphEdits made = opened.view.graph().edits();
    QVERIFY(!made.empty());
    auto* controls = opened.view.findChild<CircuitControls*>();
    QVERIFY(controls->save_edits->isEnabled());
    QSignalSpy noted(&opened.workspace, &Workspace::noted);
    opened.view.save_found(path);
    QTRY_VERIFY(noted.size() == 1 && opened.workspace.settled() && opened.view.settled());
    QCOMPARE(controls->source(), QStringLiteral("found:") + path);
    QCOMPARE(opened.view.graph().base().edges.size(), edges);
    QVERIFY(opened.view.graph().edits() == made);
    Workspace other; // another start of the program
    CircuitView again(other, nullptr);
    again.show();
    other.open_result(path);
    QTRY_VERIFY(!again.graph().empty() && other.settled());
    QVERIFY(again.graph().edits() == made);
    QVERIFY(again.curve().has_value());
  }

  // The command of an edge's menu comes to the number that the window shows.
  void an_edge_is_patched_as_its_command_does() {
    Opened opened(folder_.path());
    opened.run();
    GraphCanvas& canvas = opened.view.canvas();
    QTest::keyClick(&canvas, Qt::Key_N);
    auto* details = opened.view.findChild<QLabel*>(QStringLiteral("details"));
    QTRY_VERIFY2(details->text().contains(QStringLiteral("Patched, it takes")), qPrintable(details->text()));
    QVERIFY(test::use_menu(canvas, QStringLiteral("Copy its patch as command")));
    const QJsonObject effects =
        test::run_copied(QGuiApplication::clipboard()->text())[QStringLiteral("effects")].toObject();
    QCOMPARE(effects.size(), 1);
    const QString effect = QString::number(effects.begin().value().toDouble(), 'g', 4).replace(u'-', QChar(0x2212));
    QVERIFY2(details->text().endsWith(QStringLiteral("(%1)").arg(effect)),
             qPrintable(details->text() + QLatin1Char(' ') + effect));
    details->setText(QString());
    QVERIFY(test::use_menu(canvas, QStringLiteral("Patch this edge")));
    QTRY_VERIFY(details->text().endsWith(QStringLiteral("(%1)").arg(effect)));
  }

  void what_makes_no_sense_is_said() {
    Opened opened(folder_.path());
    opened.part<QLineEdit>("steps")->setText(QStringLiteral("none"));
    QTest::mouseClick(opened.button(), Qt::LeftButton);
    QVERIFY(!opened.bar.running());
    QVERIFY(opened.bar.note().startsWith(QStringLiteral("Steps:")));
    opened.part<QLineEdit>("steps")->setText(QStringLiteral("2"));
    opened.part<QComboBox>("method")->setCurrentText(QStringLiteral("acdc")); // without thresholds
    opened.run();
    QVERIFY2(opened.bar.note().contains(QStringLiteral("threshold")), qPrintable(opened.bar.note()));
    opened.part<QLineEdit>("threshold")->setText(QStringLiteral("0.5"));
    opened.run();
    QVERIFY2(opened.view.graph().base().edges.size() > 10, qPrintable(opened.bar.note()));
  }

  void a_run_can_be_cancelled() {
    Opened opened(folder_.path());
    opened.part<QComboBox>("method")->setCurrentText(QStringLiteral("exact"));
    QTest::mouseClick(opened.button(), Qt::LeftButton);
    QVERIFY(opened.bar.running() && !opened.button()->isEnabled());
    opened.bar.cancel();
    QTRY_VERIFY(!opened.bar.running() && opened.workspace.settled());
    QVERIFY(opened.button()->isEnabled());
  }

  // Every edge of it is on a path from the input to the logits, and it is what core builds.
  void a_rebuilt_circuit_is_connected() {
    Opened opened(folder_.path());
    opened.run();
    const store::Graph all = opened.view.graph().base();
    auto* controls = opened.view.findChild<CircuitControls*>();
    auto scored = from_store(all);
    QVERIFY(scored.ok());
    const auto wanted_of = [&](std::int64_t n) {
      return build_circuit(scored->graph, scored->importance(), {BuildRule::top_n, n, 0.0, true, true});
    };
    std::int64_t n = 2; // so many that pruning leaves some and takes some
    while (n < std::ssize(all.edges) && (wanted_of(n).size() == 0 || wanted_of(n).size() == n))
      ++n;
    const Circuit wanted = wanted_of(n);
    QVERIFY(wanted.size() > 0 && wanted.size() < n);
    opened.view.set_threshold(opened.view.graph().threshold_of(static_cast<std::size_t>(n)));
    QCOMPARE(opened.view.canvas().edge_count(), static_cast<std::size_t>(n));
    controls->rebuild->trigger();
    QTRY_VERIFY(opened.workspace.settled() && opened.view.settled());
    const store::Graph& built = opened.view.graph().base();
    QCOMPARE(static_cast<std::int64_t>(built.edges.size()), wanted.size());
    QCOMPARE(opened.view.canvas().edge_count(), built.edges.size());
    for (const store::GraphEdge& edge : built.edges) {
      const auto leaves = [&](const store::GraphEdge& other) { return other.src == edge.dst; };
      const store::GraphNode& end = built.nodes[static_cast<std::size_t>(edge.dst)];
      // K/V heads pass on to heads, without an edge.
      QVERIFY(end.kind == "kv_head" || end.name == "logits" ||
              std::any_of(built.edges.begin(), built.edges.end(), leaves));
    }
    controls->rebuild->trigger();
    QTRY_VERIFY(opened.view.settled());
    QCOMPARE(opened.view.graph().base().edges.size(), all.edges.size());
    QCOMPARE(opened.view.canvas().edge_count(), static_cast<std::size_t>(n));
    // Edges that make no path lead nowhere.
    std::int64_t none = 1;
    while (wanted_of(none).size() > 0)
      ++none;
    opened.view.set_threshold(opened.view.graph().threshold_of(static_cast<std::size_t>(none)));
    controls->rebuild->trigger();
    QTRY_VERIFY(opened.workspace.settled());
    QVERIFY(!controls->rebuild->isChecked());
    QCOMPARE(opened.view.graph().base().edges.size(), all.edges.size());
  }

  void values_between_points() {
    const figures::Series line{"", {0.01, 0.1, 1.0}, {0.0, 0.5, 1.0}, {}, {}};
    QCOMPARE(*value_at(line, 0.1, true), 0.5);
    QVERIFY(std::abs(*value_at(line, std::sqrt(0.1), true) - 0.75) < 1e-12);
    QVERIFY(std::abs(*value_at(line, 0.55, false) - 0.75) < 1e-12);
    QVERIFY(!value_at(line, 2.0, true));
  }
};

} // namespace headscope::gui

QTEST_MAIN(headscope::gui::DiscoverTest)
#include "discover_test.moc"
