// SPDX-License-Identifier: GPL-3.0-or-later
// Measuring every head from the head grid: the numbers are those of the command line that can be copied, what is
// interrupted stays and is gone on from, and scores of other models are not taken for this one's.
#include <algorithm>
#include <cmath>

#include <QClipboard>
#include <QComboBox>
#include <QFile>
#include <QMenu>
#include <QSignalSpy>
#include <QStandardItemModel>
#include <QTemporaryDir>
#include <QToolButton>

#include "app/gui/engine/method_job.h"
#include "app/gui/engine/predict_job.h"
#include "app/gui/engine/sweep_job.h"
#include "app/gui/files/result_summary.h"
#include "app/gui/forms/method_form.h"
#include "app/gui/models/method_scores.h"
#include "app/gui/models/prompt_values.h"
#include "app/gui/models/score_owner.h"
#include "app/gui/views/grid/grid_view.h"
#include "app/gui/views/grid/head_grid.h"
#include "app/gui/views/grid/score_panel.h"
#include "app/gui/views/grid/sweep_bar.h"
#include "tests/gui/copied_command.h"
#include "tests/gui/patience.h"
#include "tests/gui/tiny_model.h"

namespace headscope::gui {
namespace {

using test::numbers_of;
using test::run_copied;

// Equal to the last bit, NaN to NaN.
bool same(const std::vector<float>& a, const std::vector<float>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](float x, float y) { return x == y || (std::isnan(x) && std::isnan(y)); });
}

int measured(const std::vector<float>& values) {
  return static_cast<int>(std::count_if(values.begin(), values.end(), [](float v) { return !std::isnan(v); }));
}

QAction* action_of(const QMenu& menu, const QString& text) {
  for (QAction* action : menu.actions())
    if (action->text().startsWith(text)) return action;
  return nullptr;
}

} // namespace

class HeadSweepTest : public QObject {
  Q_OBJECT
private:
  QTemporaryDir folder_;

  std::string tiny() const { return make_tiny_model(folder_.filePath(QStringLiteral("tiny")).toStdString()); }

  std::string prompts_file() const {
    QFile file(folder_.filePath(QStringLiteral("prompts.csv")));
    if (!file.open(QIODevice::WriteOnly)) return {};
    file.write("prompt,answer,wrong\nabcabc,a,b\nxyzxyz1,x,y\nsome,o,p\n");
    return file.fileName().toStdString();
  }

  struct Opened {
    explicit Opened(const std::string& model, const std::string& prompt) : view(workspace, nullptr) {
      connect(&workspace, &Workspace::failed, &view, [this](const QString& what, const Error& error) {
        failures.append(what + QStringLiteral(": ") + QString::fromStdString(error.to_string()));
      });
      workspace.open_model({model, "float32", "cpu"});
      view.resize(500, 700);
      view.show();
      [&] {
        QTRY_VERIFY(workspace.model().has_value());
        workspace.set_prompt({prompt, false, true});
        QTRY_VERIFY(workspace.live() && workspace.settled());
      }();
    }
    SweepBar& bar() { return view.sweep_bar(); }
    ScorePanel& panel() { return *view.grids().front(); }
    Workspace workspace;
    GridView view;
    QStringList failures;
  };

  static void wait(Opened& opened) { QTRY_VERIFY(!opened.bar().running() && opened.workspace.settled()); }

private Q_SLOTS:
  void initTestCase() { apply_theme(Theme::light, 1.0); }

  void one_click_sweeps_as_the_command_line_does() {
    Opened opened(tiny(), "Mary and John went");
    const auto buttons = opened.bar().findChildren<QToolButton*>();
    const auto run = std::find_if(buttons.begin(), buttons.end(), [](const QToolButton* button) {
      return button->text() == QStringLiteral("Sweep heads");
    });
    QVERIFY(run != buttons.end() && (*run)->isEnabled());
    QTest::mouseClick(*run, Qt::LeftButton, Qt::NoModifier, QPoint(6, (*run)->height() / 2));
    wait(opened);
    QVERIFY2(opened.failures.isEmpty(), qPrintable(opened.failures.join(QLatin1Char('\n'))));
    const HeadScores* scores = opened.panel().scores();
    QVERIFY(scores && scores->id.starts_with("sweep/"));
    QVERIFY(scores->diverging);
    QCOMPARE(scores->title, "Sweep: logit_diff, zero, “Mary and John went”");
    QCOMPARE(measured(scores->values), 8);
    // The answers that are taken elsewhere in the window.
    auto state = make_engine_state();
    QVERIFY(open_model(*state, {tiny(), "float32", "cpu"}, {}).ok());
    PredictRequest likeliest;
    likeliest.tokens = opened.workspace.prompt().ids();
    const auto prediction = predict(*state, likeliest, {});
    QVERIFY(prediction.ok());
    QVERIFY(scores->description.find("“" + prediction->answer.text + "” against “" + prediction->wrong.text + "”") !=
            std::string::npos);
    opened.bar().menu().aboutToShow();
    action_of(opened.bar().menu(), QStringLiteral("Copy the score as command"))->trigger();
    const QJsonObject printed = run_copied(QGuiApplication::clipboard()->text());
    QVERIFY(same(scores->values, numbers_of(printed[QStringLiteral("effects")])));
  }

  void without_a_prompt_a_click_says_what_is_missing() {
    Workspace workspace;
    workspace.open_model({tiny(), "float32", "cpu"});
    QTRY_VERIFY(workspace.model().has_value() && workspace.settled());
    SweepBar bar(workspace);
    bar.sweep();
    QVERIFY(!bar.running());
    const auto labels = bar.findChildren<QLabel*>();
    QVERIFY(std::any_of(labels.begin(), labels.end(),
                        [](const QLabel* label) { return label->text() == QStringLiteral("Type a prompt first"); }));
  }

  void every_source_of_prompts_says_its_command_data() {
    QTest::addColumn<QString>("metric");
    QTest::addColumn<QString>("method");
    QTest::addColumn<int>("source");
    const auto row = [](const char* name, const char* metric, const char* method, SweepBar::Source source) {
      QTest::newRow(name) << QString::fromLatin1(metric) << QString::fromLatin1(method) << static_cast<int>(source);
    };
    row("divergence", "kl_divergence", "zero", SweepBar::Source::prompt);
    row("mean", "prob_diff", "mean", SweepBar::Source::prompt);
    row("file", "logit_diff", "uniform", SweepBar::Source::file);
    row("resampled file", "logit_diff", "resample", SweepBar::Source::file);
  }

  void every_source_of_prompts_says_its_command() {
    QFETCH(const QString, metric);
    QFETCH(const QString, method);
    QFETCH(const int, source);
    Opened opened(tiny(), "It's \"quoted\" & $strange");
    SweepBar::Settings settings = opened.bar().settings();
    settings.metric = metric.toStdString();
    settings.method = method.toStdString();
    settings.source = static_cast<SweepBar::Source>(source);
    if (settings.source == SweepBar::Source::file) settings.from = prompts_file();
    opened.bar().set_settings(settings);
    opened.bar().sweep();
    wait(opened);
    QVERIFY2(opened.failures.isEmpty(), qPrintable(opened.failures.join(QLatin1Char('\n'))));
    const HeadScores* scores = opened.panel().scores();
    QVERIFY(scores &&
            QString::fromStdString(scores->title).startsWith(QStringLiteral("Sweep: %1, %2").arg(metric, method)));
    const QJsonObject printed = run_copied(opened.panel().command());
    QVERIFY(same(scores->values, numbers_of(printed[QStringLiteral("effects")])));
  }

  // Mean and resample take what they put in from the texts of the view Ablation, as --reference does.
  void reference_texts_are_those_of_the_command() {
    Opened opened(tiny(), "Mary and John went");
    opened.workspace.ablation().set_reference({"a text, with a comma", "it's another"});
    SweepBar::Settings settings = opened.bar().settings();
    settings.method = "mean";
    opened.bar().set_settings(settings);
    opened.bar().sweep();
    wait(opened);
    const std::vector<float> of_prompt = opened.panel().scores()->values;
    opened.bar().menu().aboutToShow();
    const QAction* menu = action_of(opened.bar().menu(), QStringLiteral("Mean and resample take"));
    QVERIFY(menu && menu->isEnabled());
    action_of(*menu->menu(), QStringLiteral("The reference texts"))->trigger();
    opened.bar().sweep();
    wait(opened);
    QVERIFY2(opened.failures.isEmpty(), qPrintable(opened.failures.join(QLatin1Char('\n'))));
    const HeadScores* scores = opened.panel().scores();
    QVERIFY(!same(scores->values, of_prompt));
    QVERIFY(same(scores->values, numbers_of(run_copied(opened.panel().command())[QStringLiteral("effects")])));
  }

  // The numbers under a plan are those of --attention.
  void a_sweep_is_under_the_attention_plan() {
    Opened opened(tiny(), "Mary and John went");
    opened.bar().sweep();
    wait(opened);
    const std::vector<float> full = opened.panel().scores()->values;
    opened.workspace.set_attention("window:window=2@layers=1");
    QTRY_COMPARE(opened.workspace.attention().plan(), std::string("window:window=2@layers=1"));
    QVERIFY(opened.panel().scores()->origin->attention == std::string());
    opened.bar().sweep();
    wait(opened);
    QVERIFY2(opened.failures.isEmpty(), qPrintable(opened.failures.join(QLatin1Char('\n'))));
    const HeadScores* scores = opened.panel().scores();
    QVERIFY(!same(scores->values, full));
    QVERIFY(opened.panel().command().contains(QStringLiteral("--attention")));
    QVERIFY(same(scores->values, numbers_of(run_copied(opened.panel().command())[QStringLiteral("effects")])));
  }

  void direct_logit_attribution_is_a_score() {
    Opened opened(tiny(), "Mary and John went");
    opened.bar().attribute();
    QTRY_VERIFY(opened.workspace.scores().find("live/logit_attribution"));
    const HeadScores* scores = opened.panel().scores();
    QCOMPARE(scores->id, "live/logit_attribution");
    QCOMPARE(measured(scores->values), 8);
    const QJsonObject printed = run_copied(opened.panel().command());
    QVERIFY(same(scores->values, numbers_of(printed[QStringLiteral("heads")])));
  }

  void two_scores_give_their_difference() {
    Opened opened(tiny(), "Mary and John went");
    opened.bar().attribute();
    QTRY_VERIFY(opened.workspace.scores().find("live/logit_attribution"));
    opened.view.subtract(); // of one grid nothing
    ScorePanel* second = opened.view.add_grid();
    second->choose(QStringLiteral("live/entropy"));
    const HeadScores a = *opened.panel().scores(), b = *second->scores();
    opened.view.subtract();
    const HeadScores* scores = opened.panel().scores();
    QVERIFY(scores && scores->diverging && scores->id.starts_with("difference/"));
    for (std::size_t i = 0; i < 8; ++i)
      QCOMPARE(scores->values[i], a.values[i] - b.values[i]);
    QVERIFY(opened.panel().command().isEmpty()); // no command line gives a difference
  }

  void a_cancelled_sweep_keeps_its_heads_and_goes_on() {
    auto state = make_engine_state();
    QVERIFY(open_model(*state, {tiny(), "float32", "cpu"}, {}).ok());
    const auto tokens = tokenize(*state, {"A prompt of some length for small runs", false, true});
    QVERIFY(tokens.ok());
    SweepRequest request;
    request.model.model = tiny();
    for (const TokenInfo& token : *tokens)
      request.tokens.push_back(token.id);
    request.method = *filled_request("ablate", {{"prompt", "A prompt of some length for small runs"}}, request.model);
    const auto whole = sweep_heads(*state, request, {}, {});
    QVERIFY2(whole.ok(), whole.ok() ? "" : whole.error().to_string().c_str());
    RunControl control;
    control.progress = [&](const Progress& progress) {
      if (progress.stage == "ablating heads" && progress.done >= 2) control.cancel.cancel();
    };
    const auto half = sweep_heads(*state, request, control, {});
    QVERIFY(half.ok() && !half->complete);
    const auto count = [](const HeadSweep& sweep) {
      return std::count_if(sweep.effects.begin(), sweep.effects.end(), [](double v) { return !std::isnan(v); });
    };
    const auto kept = count(*half);
    QVERIFY(kept >= 2 && kept < 8);
    for (std::size_t i = 0; i < half->effects.size(); ++i)
      QVERIFY(std::isnan(half->effects[i]) || half->effects[i] == whole->effects[i]);
    request.begun = std::make_shared<HeadSweep>(*half);
    std::int64_t left = 0;
    RunControl second;
    second.progress = [&](const Progress& progress) {
      if (progress.stage == "ablating heads") left = progress.total;
    };
    const auto rest = sweep_heads(*state, request, second, {});
    QVERIFY(rest.ok() && rest->complete);
    QCOMPARE(left, 8 - kept); // what was measured is not measured again
    for (std::size_t i = 0; i < rest->effects.size(); ++i) {
      QVERIFY(std::isnan(half->effects[i]) || rest->effects[i] == half->effects[i]);
      QVERIFY(std::abs(rest->effects[i] - whole->effects[i]) < 1e-5);
    }
    // What was begun with other options is not gone on from.
    request.method = *filled_request(
        "ablate", {{"prompt", "A prompt of some length for small runs"}, {"method", "uniform"}}, request.model);
    QVERIFY(sweep_heads(*state, request, second, {}).ok());
    QCOMPARE(left, 8);
  }

  // Three prompts, two of which go through the model together.
  void each_prompt_is_gone_on_with_where_it_stopped() {
    auto state = make_engine_state();
    QVERIFY(open_model(*state, {tiny(), "float32", "cpu"}, {}).ok());
    SweepRequest request;
    request.method = *filled_request(
        "ablate", {{"prompts_file", prompts_file()}, {"method", "uniform"}, {"tokens_per_run", "64"}}, {tiny()});
    const auto whole = sweep_heads(*state, request, {}, {});
    QVERIFY(whole.ok() && whole->n_prompts == 3);
    RunControl control;
    control.progress = [&](const Progress& progress) {
      if (progress.stage == "ablating heads" && progress.done >= 10) control.cancel.cancel();
    };
    const auto half = sweep_heads(*state, request, control, {});
    QVERIFY(half.ok() && !half->complete);
    const auto missing =
        std::count_if(half->effects.begin(), half->effects.end(), [](double v) { return std::isnan(v); });
    QVERIFY(missing > 0 && missing <= 14);
    request.begun = std::make_shared<HeadSweep>(*half);
    std::int64_t before = 0, again = 0; // progress begins anew for prompts that lack other heads
    control = {};
    control.progress = [&](const Progress& progress) {
      if (progress.stage != "ablating heads") return;
      again += progress.done > before ? progress.done - before : progress.done;
      before = progress.done;
    };
    const auto rest = sweep_heads(*state, request, control, {});
    QVERIFY(rest.ok() && rest->complete);
    QCOMPARE(again, static_cast<std::int64_t>(missing));
    for (std::size_t i = 0; i < rest->effects.size(); ++i)
      QVERIFY(std::abs(rest->effects[i] - whole->effects[i]) < 1e-5);
  }

  void generated_tokens_are_swept_as_they_stand() {
    Opened opened(tiny(), "Mary and");
    std::vector<TokenInfo> more(opened.workspace.prompt().tokens().end() - 3, opened.workspace.prompt().tokens().end());
    opened.workspace.prompt().set_generated(more);
    QCOMPARE(prompt_values(opened.workspace.prompt()).at("prompt"), "<s>Mary andand");
    opened.bar().sweep();
    wait(opened);
    const HeadScores* scores = opened.panel().scores();
    QVERIFY(scores && scores->id.starts_with("sweep/"));
    const QJsonObject printed = run_copied(opened.panel().command());
    QVERIFY(same(scores->values, numbers_of(printed[QStringLiteral("effects")])));
  }

  void what_no_command_line_says_has_none() {
    Opened opened(tiny(), "Mary and");
    SweepRequest request;
    request.model = command_model(opened.workspace);
    request.tokens = opened.workspace.prompt().ids();
    request.method = *filled_request("ablate", {{"prompt", "another text"}}, request.model);
    auto state = make_engine_state();
    QVERIFY(open_model(*state, {tiny(), "float32", "cpu"}, {}).ok());
    const auto sweep = sweep_heads(*state, request, {}, {});
    QVERIFY(sweep.ok() && sweep->complete);
    QVERIFY(sweep->request.command_line.empty());
  }

  void scores_of_another_model_are_grey() {
    Opened opened(tiny(), "Mary");
    HeadScores own;
    own.id = "detector/own";
    own.title = "Own";
    own.n_layers = 2;
    own.n_heads = 4;
    own.values.assign(8, 0.5F);
    own.threshold = 0.4;
    own.model_sha256 = opened.workspace.model()->sha256;
    HeadScores other = own, larger = own;
    other.id = "detector/other";
    other.model_sha256 = "0000";
    larger.id = "detector/larger";
    larger.n_layers = 3;
    larger.values.assign(12, 0.5F);
    larger.model_sha256.clear();
    for (const HeadScores& scores : {own, other, larger})
      opened.workspace.scores().put(scores);
    ScorePanel& panel = opened.panel();
    auto* choice = panel.findChild<QComboBox*>();
    const auto enabled = [&](const char* id) {
      return choice->model()->index(choice->findData(QString::fromLatin1(id)), 0).flags().testFlag(Qt::ItemIsEnabled);
    };
    QVERIFY(enabled("detector/own") && !enabled("detector/other") && !enabled("detector/larger"));
    for (const char* id : {"detector/other", "detector/larger"})
      QVERIFY(!choice->itemData(choice->findData(QString::fromLatin1(id)), Qt::ToolTipRole).toString().isEmpty());
    panel.choose(QStringLiteral("detector/other"));
    QVERIFY(panel.score_id() != QStringLiteral("detector/other"));
    panel.choose(QStringLiteral("detector/own"));
    QCOMPARE(panel.score_id(), QStringLiteral("detector/own"));
    QCOMPARE(why_not_of(std::nullopt, other), QString()); // without a model a file is looked at as it is
    std::unique_ptr<QMenu> menu(panel.head_menu({1, 2}));
    QVERIFY(action_of(*menu, QStringLiteral("Only this kind: Own")));
    const auto actions = menu->actions();
    QCOMPARE(std::count_if(actions.begin(), actions.end(),
                           [](const QAction* a) { return a->text().startsWith(QStringLiteral("Only this kind")); }),
             1);
  }

  // ---- Result files

  void every_result_by_head_is_a_score_data() {
    using Values = std::map<std::string, std::string>;
    QTest::addColumn<QString>("method");
    QTest::addColumn<std::map<std::string, std::string>>("values");
    QTest::addColumn<QString>("id");
    QTest::addColumn<QString>("title");
    QTest::addColumn<QString>("key"); // of the report
    const auto row = [](const char* name, const char* method, const Values& values, const char* id, const char* title,
                        const char* key) {
      QTest::newRow(name) << QString::fromLatin1(method) << values << QString::fromLatin1(id)
                          << QString::fromLatin1(title) << QString::fromLatin1(key);
    };
    const Values prompts = {{"prompts_file", prompts_file()}};
    const Values pair = {{"clean", "abcab"}, {"corrupt", "abdab"}, {"answer", "c"}, {"wrong", "d"}, {"site", "z"}};
    Values estimate = pair;
    estimate["estimate"] = "true";
    row("ablation", "ablate", prompts, "ablation/zero", "Ablation: zero", "effects");
    row("attribution", "attribute", prompts, "logit_attribution/heads", "Logit attribution: heads", "heads");
    row("patching", "patch", pair, "patching/z", "Patching: z", "restored");
    row("estimate", "patch", estimate, "patching/z", "Patching (estimate): z", "restored");
    row("weights", "weights", {}, "weights/copying", "Weights: copying", "copying");
  }

  void every_result_by_head_is_a_score() {
    using Values = std::map<std::string, std::string>;
    QFETCH(const QString, method);
    QFETCH(const Values, values);
    QFETCH(const QString, id);
    QFETCH(const QString, title);
    QFETCH(const QString, key);
    auto state = make_engine_state();
    QVERIFY(open_model(*state, {tiny(), "float32", "cpu"}, {}).ok());
    MethodRequest request = *filled_request(method.toStdString(), values, {tiny()});
    request.out = folder_.filePath(QString::fromLatin1(QTest::currentDataTag()) + QStringLiteral(".h5")).toStdString();
    const auto answer = run_method(*state, request, {});
    QVERIFY(answer.ok());
    QVERIFY2(!answer->error, answer->error ? answer->error->to_string().c_str() : "");
    const auto files = make_file_state();
    const auto summary = open_result(*files, request.out, {});
    QVERIFY2(summary.ok(), summary.ok() ? "" : summary.error().to_string().c_str());
    const auto found = std::find_if(summary->scores.begin(), summary->scores.end(),
                                    [&](const HeadScores& scores) { return scores.id == id.toStdString(); });
    QVERIFY2(found != summary->scores.end(), qPrintable(id));
    QCOMPARE(QString::fromStdString(found->title), title);
    QVERIFY(!found->description.empty());
    QCOMPARE(found->n_layers, 2);
    QCOMPARE(found->n_heads, 4);
    QCOMPARE(found->model_sha256, answer->model.sha256);
    QCOMPARE(found->command, request.command_line);
    const QJsonObject report = QJsonDocument::fromJson(QByteArray::fromStdString(answer->json)).object();
    const std::vector<float> wanted = numbers_of(report[key]);
    QCOMPARE(found->values.size(), wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i)
      QVERIFY(std::abs(found->values[i] - wanted[i]) <= 1e-6F * (1.0F + std::abs(wanted[i])));
    for (const HeadScores& scores : summary->scores) // counts and what is of each pair are none
      QVERIFY2(scores.id.find("count") == std::string::npos && scores.id.find("pair_") == std::string::npos,
               scores.id.c_str());
  }

  void key_heads_are_no_heads_of_the_grid() {
    auto state = make_engine_state();
    QVERIFY(open_model(*state, {tiny(), "float32", "cpu"}, {}).ok());
    MethodRequest request = *filled_request(
        "patch", {{"clean", "abcab"}, {"corrupt", "abdab"}, {"answer", "c"}, {"wrong", "d"}, {"site", "k"}}, {tiny()});
    request.out = folder_.filePath(QStringLiteral("keys.h5")).toStdString();
    const auto answer = run_method(*state, request, {});
    QVERIFY(answer.ok() && !answer->error);
    const auto files = make_file_state();
    const auto summary = open_result(*files, request.out, {});
    QVERIFY(summary.ok() && summary->scores.empty()); // two K/V heads a layer
  }

  void a_head_has_a_menu() {
    Opened opened(tiny(), "Mary");
    ScorePanel& panel = opened.panel();
    QTRY_VERIFY(panel.scores());
    std::unique_ptr<QMenu> menu(panel.head_menu({1, 2}));
    action_of(*menu, QStringLiteral("Ablate"))->trigger();
    QVERIFY(opened.workspace.ablation().find({1, 2}));
    menu.reset(panel.head_menu({1, 2}));
    action_of(*menu, QStringLiteral("Put back"))->trigger();
    QVERIFY(!opened.workspace.ablation().find({1, 2}));
    QSignalSpy views(&opened.workspace, &Workspace::view_wanted);
    action_of(*menu, QStringLiteral("Show its attention"))->trigger();
    QCOMPARE(views.takeFirst().front().toString(), QStringLiteral("attention"));
    QCOMPARE(*opened.workspace.selection().head(), (HeadId{1, 2}));
    action_of(*menu, QStringLiteral("Copy the name"))->trigger();
    QCOMPARE(QGuiApplication::clipboard()->text(), QStringLiteral("1.2"));
    action_of(*menu, QStringLiteral("Patch"))->trigger();
    QCOMPARE(views.takeFirst().front().toString(), QStringLiteral("patching"));
    QVERIFY(!action_of(*menu, QStringLiteral("Copy the score as command"))->isEnabled()); // of the live scores
    action_of(*menu, QStringLiteral("Only layer 1"))->trigger();
    QCOMPARE(opened.view.findChild<QLineEdit*>()->text(), QStringLiteral("1."));
    // A right click asks for it.
    QSignalSpy asked(&panel.grid(), &HeadGrid::menu_wanted);
    disconnect(&panel.grid(), &HeadGrid::menu_wanted, &panel, nullptr);
    const QPoint place = panel.grid().cell_rect({0, 3}).center();
    QContextMenuEvent event(QContextMenuEvent::Mouse, place, panel.grid().mapToGlobal(place));
    QCoreApplication::sendEvent(&panel.grid(), &event);
    QCOMPARE(asked.size(), 1);
    QCOMPARE(asked.front().front().value<HeadId>(), (HeadId{0, 3}));
  }
};

} // namespace headscope::gui

QTEST_MAIN(headscope::gui::HeadSweepTest)
#include "head_sweep_test.moc"
