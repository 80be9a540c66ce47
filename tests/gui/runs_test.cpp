// SPDX-License-Identifier: GPL-3.0-or-later
// Detectors on a tiny model, their evidence and their file; the list of runs, comparison, notes and provenance.
#include <QAbstractItemModelTester>
#include <QChart>
#include <QChartView>
#include <QFile>
#include <QLabel>
#include <QLineSeries>
#include <QPlainTextEdit>
#include <QSpinBox>
#include <QStandardItemModel>
#include <QTemporaryDir>
#include <QValueAxis>

#include "app/gui/models/evidence_model.h"
#include "app/gui/models/run_list_model.h"
#include "app/gui/models/score_difference.h"
#include "app/gui/views/charts.h"
#include "app/gui/views/detectors/detector_options.h"
#include "app/gui/views/detectors/detectors_view.h"
#include "app/gui/views/detectors/evidence_panel.h"
#include "app/gui/views/detectors/masking_panel.h"
#include "app/gui/views/runs/compare_panel.h"
#include "app/gui/views/runs/runs_view.h"
#include "core/store/result_file.h"
#include "tests/gui/patience.h"
#include "tests/gui/tiny_model.h"

namespace headscope::gui {
namespace {

// Scores 0, 0.1, 0.2, … and with `shift` one head that is not as in the other file.
void write_run(const std::string& path, float shift) {
  auto writer = store::ResultWriter::create(path, {});
  QVERIFY(writer.ok());
  QVERIFY(
      writer->set_model({{"name", std::string("tiny")}, {"n_layers", std::int64_t{2}}, {"n_heads", std::int64_t{3}}})
          .ok());
  QVERIFY(writer->set_options("planted", {{"seed", std::int64_t{7}}}).ok());
  store::DetectorScores scores;
  scores.name = "planted";
  scores.n_layers = 2;
  scores.n_heads = 3;
  for (int i = 0; i < 6; ++i)
    scores.scores.push_back(0.1F * static_cast<float>(i));
  scores.scores[4] += shift;
  QVERIFY(writer->add_scores(scores).ok());
  QVERIFY(writer->commit(shift == 0.0F).ok());
}

// One and five heads masked, two random controls each.
void write_masking(const std::string& path) {
  auto writer = store::ResultWriter::create(path, {});
  QVERIFY(writer.ok());
  QVERIFY(writer
              ->set_attributes("/masking/needle_uniform_decode", {{"task", std::string("needle")},
                                                                  {"method", std::string("uniform")},
                                                                  {"phase", std::string("decode")},
                                                                  {"metric", std::string("recall")},
                                                                  {"units", std::string("1")},
                                                                  {"clean", 0.9}})
              .ok());
  store::ArraySpec spec;
  spec.axes = {{"step", {}}};
  spec.shape = {2};
  spec.units = "1";
  spec.dtype = store::DType::int64;
  const std::vector<std::int64_t> counts = {1, 5};
  QVERIFY(writer->add_array("/masking/needle_uniform_decode/count", spec, std::span<const std::int64_t>(counts)).ok());
  spec.dtype = store::DType::float64;
  const std::vector<double> masked = {0.5, 0.1}, random = {0.9, 0.9, 0.85, 0.75};
  QVERIFY(writer->add_array("/masking/needle_uniform_decode/masked", spec, std::span<const double>(masked)).ok());
  spec.axes = {{"step", {}}, {"seed", {}}};
  spec.shape = {2, 2};
  QVERIFY(writer->add_array("/masking/needle_uniform_decode/random", spec, std::span<const double>(random)).ok());
  QVERIFY(writer->commit().ok());
}

DetectorResult copies_of_two_heads() {
  DetectorResult result;
  result.n_layers = result.n_heads = 2;
  result.prompts = {{"retrieval-0", "abc", {1, 2, 3}, {"a", "b", "c"}, {}, {}}};
  store::Table copies;
  copies.columns = {{"run", std::vector<std::int64_t>{0, 0, 0}, "1", ""},
                    {"layer", std::vector<std::int64_t>{0, 1, 1}, "1", ""},
                    {"head", std::vector<std::int64_t>{1, 1, 1}, "1", ""},
                    {"step", std::vector<std::int64_t>{0, 0, 4}, "1", ""},
                    {"position", std::vector<std::int64_t>{2, 1, 0}, "token", ""}};
  result.tables = {{"copies", copies}};
  return result;
}

} // namespace

class RunsTest : public QObject {
  Q_OBJECT
private:
  QTemporaryDir folder_;

  void open_tiny(Workspace& workspace) {
    const std::string path = make_tiny_model(folder_.filePath(QStringLiteral("tiny")).toStdString());
    workspace.open_model({path, "float32", "cpu"});
    QTRY_VERIFY(workspace.model().has_value());
  }

  // Texts that fit the tiny model's context of 64.
  static void make_small(DetectorsView& view) {
    for (auto* box : view.options("induction").findChildren<QSpinBox*>()) {
      if (box->accessibleName() == QStringLiteral("n")) box->setValue(12);
      if (box->accessibleName() == QStringLiteral("batch")) box->setValue(2);
    }
  }

private Q_SLOTS:
  // ---- Detectors

  void a_detector_runs_and_its_evidence_can_be_seen() {
    Workspace workspace;
    open_tiny(workspace);
    DetectorsView view(workspace, nullptr);
    view.resize(900, 700);
    view.show();
    make_small(view);
    QCOMPARE(view.options("induction").changed().size(), 2U);
    view.tick("induction", true);
    view.run_ticked();
    QTRY_VERIFY(workspace.scores().find("run/induction") != nullptr);
    const HeadScores& scores = *workspace.scores().find("run/induction");
    QCOMPARE(scores.values.size(), 8U);
    QCOMPARE(scores.source, std::string("live"));
    const DetectorResult& result = *view.answers().at("induction").result;
    QVERIFY(result.complete);
    QCOMPARE(result.prompts.size(), 2U);
    QCOMPARE(result.prompts.front().token_ids.size(), 24U);
    QCOMPARE(scores.values, result.scores);
    // From the score to the attention row: the same prompt, and the place where the stripe is.
    workspace.selection().set_head({1, 2});
    QCOMPARE(view.evidence().model().rowCount(), 2);
    view.evidence().show_row(1);
    QTRY_COMPARE(workspace.prompt().ids(), result.prompts[1].token_ids);
    QCOMPARE(workspace.selection().query(), std::optional<int>(18));
    QCOMPARE(workspace.selection().key(), std::optional<int>(7));
    const auto& ids = result.prompts[1].token_ids;
    QCOMPARE(ids[18], ids[6]); // the token after the first occurrence
    QVERIFY(view.exported().has_value());
  }

  void what_ran_is_saved_as_a_result_file() {
    Workspace workspace;
    open_tiny(workspace);
    DetectorsView view(workspace, nullptr);
    make_small(view);
    view.tick("induction", true);
    view.run_ticked();
    QTRY_VERIFY(view.answers().size() == 1);
    const QString path = folder_.filePath(QStringLiteral("detectors.h5"));
    view.save(path, false);
    QTRY_VERIFY(workspace.engine().idle());
    const auto reader = store::ResultReader::open(path.toStdString());
    QVERIFY(reader.ok());
    const auto scores = reader->scores("induction");
    QVERIFY(scores.ok());
    QCOMPARE(scores->scores, view.answers().at("induction").result->scores);
    QCOMPARE(std::get<std::int64_t>(*store::find_attribute(*reader->options("induction"), "n")), std::int64_t{12});
    QVERIFY(reader->info().complete);
    // An existing file is kept, and that is said.
    int failures = 0;
    connect(&workspace, &Workspace::failed, this, [&](const QString&, const Error& error) {
      QCOMPARE(error.code, ErrorCode::already_exists);
      ++failures;
    });
    view.save(path, false);
    QTRY_COMPARE(failures, 1);
    // Its evidence is there again when the file is opened.
    workspace.scores().clear();
    workspace.open_result(path);
    QTRY_VERIFY(workspace.result() && workspace.files().idle());
    workspace.selection().set_head({0, 0});
    QTRY_COMPARE(view.evidence().model().rowCount(), 2);
  }

  void a_detector_that_cannot_run_is_an_error_and_nothing_else() {
    Workspace workspace;
    open_tiny(workspace);
    DetectorsView view(workspace, nullptr);
    int failures = 0;
    connect(&workspace, &Workspace::failed, this, [&](const QString&, const Error&) { ++failures; });
    for (auto* box : view.options("induction").findChildren<QSpinBox*>())
      if (box->accessibleName() == QStringLiteral("n")) box->setValue(500); // longer than the context
    view.tick("induction", true);
    view.run_ticked();
    QTRY_COMPARE(failures, 1);
    QVERIFY(view.answers().empty());
    QTRY_VERIFY(workspace.engine().idle());
  }

  void evidence_is_of_one_head() {
    EvidenceModel model;
    const QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
    model.set_rows(evidence_of("retrieval", copies_of_two_heads(), {1, 1}));
    QCOMPARE(model.rowCount(), 2);
    QCOMPARE(model.row(0).prompt, std::string("retrieval-0"));
    QCOMPARE(model.row(0).query, std::optional<int>(2)); // the first step is decoded from the last prompt token
    QCOMPARE(model.row(0).key, std::optional<int>(1));
    QCOMPARE(model.row(1).query, std::optional<int>(6)); // the fourth generated token
    QVERIFY(evidence_of("retrieval", copies_of_two_heads(), {0, 0}).empty());
  }

  // ---- Charts

  void charts_hold_the_numbers() {
    const std::vector<float> values = {0.0F, 0.1F, 0.1F, 1.0F, std::nanf("")};
    const Histogram histogram = histogram_of(values, 4);
    QCOMPARE(histogram.counts, (std::vector<int>{3, 0, 0, 1}));
    QCOMPARE(histogram.edges.front(), 0.0);
    QCOMPARE(histogram.edges.back(), 1.0);
    QVERIFY(histogram_of({std::nanf("")}, 4).counts.empty());
    const std::vector<double> shares = cumulative_share(values);
    QCOMPARE(shares.size(), 4U);
    QVERIFY(std::abs(shares[0] - 1.0 / 1.2) < 1e-6);
    QVERIFY(std::abs(shares[3] - 1.0) < 1e-12);
    const std::unique_ptr<QChartView> view(make_chart(QStringLiteral("test")));
    show_histogram(*view->chart(), histogram, QStringLiteral("score"));
    QCOMPARE(view->chart()->series().size(), 1);
    QCOMPARE(view->chart()->axes().size(), 2);
    show_cumulative(*view->chart(), shares);
    QCOMPARE(view->chart()->series().size(), 1);
    QCOMPARE(view->chart()->axes().size(), 2);
  }

  void a_masking_experiment_is_drawn_against_random_heads() {
    const QString path = folder_.filePath(QStringLiteral("masking.h5"));
    write_masking(path.toStdString());
    Workspace workspace;
    DetectorsView view(workspace, nullptr);
    view.resize(900, 700);
    view.show();
    QVERIFY(!view.masking().isVisible());
    workspace.open_result(path);
    QTRY_COMPARE(view.masking().curves().size(), 1U);
    QVERIFY(view.masking().isVisible());
    const MaskingCurve& curve = view.masking().curves().front();
    QCOMPARE(curve.counts, (std::vector<std::int64_t>{1, 5}));
    QCOMPARE(curve.control(1).mean, 0.8);
    QCOMPARE(curve.control(1).low, 0.75);
    auto* chart = view.masking().findChild<QChartView*>()->chart();
    QCOMPARE(chart->series().size(), 4); // range, unmasked, random, strongest
    QCOMPARE(chart->axes().size(), 2);
    auto* strongest = qobject_cast<QLineSeries*>(chart->series().back());
    QVERIFY(strongest);
    QCOMPARE(strongest->points(), (QList<QPointF>{{1.0, 0.5}, {5.0, 0.1}}));
    workspace.close_result();
    QTRY_VERIFY(!view.masking().isVisible());
  }

  // ---- Runs

  void the_folder_is_listed_compared_and_annotated() {
    QTemporaryDir folder;
    const QString a = folder.filePath(QStringLiteral("a.h5")), b = folder.filePath(QStringLiteral("b.h5"));
    write_run(a.toStdString(), 0.0F);
    write_run(b.toStdString(), 5.0F);
    QFile broken(folder.filePath(QStringLiteral("broken.h5")));
    QVERIFY(broken.open(QIODevice::WriteOnly));
    broken.write("no HDF5");
    broken.close();
    Workspace workspace;
    RunsView view(workspace, nullptr);
    const QAbstractItemModelTester list(&view.runs(), QAbstractItemModelTester::FailureReportingMode::QtTest);
    const QAbstractItemModelTester tree(&view.provenance(), QAbstractItemModelTester::FailureReportingMode::QtTest);
    view.set_folder(folder.path());
    view.resize(800, 600);
    view.show();
    QTRY_COMPARE(view.runs().rowCount(), 3);
    const int row_a = view.runs().row_of(a.toStdString()), row_b = view.runs().row_of(b.toStdString()),
              row_c = view.runs().row_of(broken.fileName().toStdString());
    QVERIFY(row_a >= 0 && row_b >= 0 && row_c >= 0);
    QVERIFY(view.runs().run(row_a).complete && !view.runs().run(row_b).complete);
    QVERIFY(!view.runs().run(row_c).problem.empty());
    QCOMPARE(view.runs().run(row_a).contents, std::string("detectors: planted"));
    QCOMPARE(view.runs().run(row_a).model, std::string("tiny"));
    view.runs().sort(RunListModel::name_column, Qt::DescendingOrder);
    QCOMPARE(view.runs().row_of(a.toStdString()), 2);

    view.compare().choose(a, b);
    QTRY_VERIFY(view.compare().difference() && workspace.files().idle());
    const ScoreDifference& difference = *view.compare().difference();
    QCOMPARE(difference.compared, 6);
    QCOMPARE(difference.difference.values[4], -5.0F);
    QCOMPARE(difference.difference.values[3], 0.0F);
    // Ranks 0 … 5 against 0 1 2 3 5 4: 1 - 6 * 2 / (6 * 35).
    QVERIFY(std::abs(difference.correlation - (1.0 - 12.0 / 210.0)) < 1e-9);
    QVERIFY(view.exported().has_value());
    // It is a score of the head grid, too, and says of what.
    const HeadScores* score = workspace.scores().find("comparison/" + difference.difference.id.substr(11));
    QVERIFY(score);
    QCOMPARE(score->values[4], -5.0F);
    QVERIFY(score->diverging && QString::fromStdString(score->title).contains(QStringLiteral(" − ")));

    QFile file(a);
    QVERIFY(file.open(QIODevice::ReadOnly));
    const QByteArray before = file.readAll();
    file.close();
    view.select_run(view.runs().row_of(a.toStdString()));
    QTRY_VERIFY(view.provenance().rowCount() > 0);
    const auto model = view.provenance().findItems(QStringLiteral("model"));
    QCOMPARE(model.size(), 1);
    QCOMPARE(model.front()->child(0, 1)->text(), QStringLiteral("tiny"));
    const auto seeds = view.provenance().findItems(QStringLiteral("seed"), Qt::MatchRecursive);
    QCOMPARE(seeds.size(), 1);
    view.findChild<QPlainTextEdit*>()->setPlainText(QStringLiteral("Looks right.\nMore."));
    view.save_notes();
    QFile notes(a + QStringLiteral(".notes.md"));
    QTRY_VERIFY(notes.exists() && workspace.files().idle());
    QVERIFY(notes.open(QIODevice::ReadOnly));
    QCOMPARE(notes.readAll(), QByteArray("Looks right.\nMore."));
    QVERIFY(file.open(QIODevice::ReadOnly));
    QCOMPARE(file.readAll(), before); // the result itself is never changed
    view.open_run(view.runs().row_of(a.toStdString()));
    QTRY_VERIFY(workspace.result().has_value());
    QVERIFY(workspace.scores().find("detector/planted"));
  }

  void an_empty_folder_says_what_to_do() {
    QTemporaryDir folder;
    Workspace workspace;
    RunsView view(workspace, nullptr);
    view.set_folder(folder.path());
    view.show();
    QTRY_VERIFY(workspace.files().idle());
    const auto labels = view.findChildren<QLabel*>();
    QVERIFY(std::any_of(labels.begin(), labels.end(), [](const QLabel* label) {
      return label->isVisible() && label->text().contains(QStringLiteral("headscope survey"));
    }));
  }
};

} // namespace headscope::gui

QTEST_MAIN(headscope::gui::RunsTest)
#include "runs_test.moc"
