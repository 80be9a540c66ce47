// SPDX-License-Identifier: GPL-3.0-or-later
// The attention viewer and the hierarchy lens on the default model and on a stored map: what is where, in pixels.
#include <QSignalSpy>
#include <QTemporaryDir>

#include <cmath>

#include "app/gui/style/theme.h"
#include "app/gui/views/attention/arcs_canvas.h"
#include "app/gui/views/attention/attention_view.h"
#include "app/gui/views/hierarchy/hierarchy_view.h"
#include "app/gui/views/view_list.h"
#include "core/store/result_file.h"
#include "tests/gui/patience.h"

namespace headscope::gui {
namespace {

// The same 24 unrelated words twice: an induction head attends from each word of the second copy to the word after it
// in the first.
const char* const words = " apple river seven blue stone music table glass horse paper cloud door"
                          " salt green moon chair bread tower fish road winter lamp queen coat";

bool close_to(const QColor& a, const QColor& b) {
  return std::abs(a.red() - b.red()) <= 2 && std::abs(a.green() - b.green()) <= 2 && std::abs(a.blue() - b.blue()) <= 2;
}

void settle(Workspace& workspace, View& view) {
  QTRY_VERIFY(workspace.settled() && view.settled());
  QCoreApplication::processEvents();
  QTRY_VERIFY(workspace.settled() && view.settled());
}

constexpr std::int64_t stored_tokens = 600;
// A stripe 100 tokens back, and the rest of a row on its first key.
float stored_weight(std::int64_t q, std::int64_t k) {
  if (k > q) return 0.0F;
  if (q >= 100) return k == q - 100 ? 0.75F : k == 0 ? 0.25F : 0.0F;
  return k == 0 ? 1.0F : 0.0F;
}

Status write_result(const std::string& path) {
  store::Provenance provenance;
  HS_ASSIGN(store::ResultWriter writer, store::ResultWriter::create(path, {false, provenance, 1}));
  HS_TRY(writer.set_model(
      {{"name", std::string("planted")}, {"n_layers", std::int64_t{2}}, {"n_heads", std::int64_t{2}}}));
  store::Prompt prompt;
  prompt.id = "p";
  for (std::int64_t i = 0; i < stored_tokens; ++i) {
    const std::string text = (i % 5 == 4 ? " stop." : " word");
    prompt.text += text;
    prompt.token_ids.push_back(i);
    prompt.token_pieces.push_back(text);
    prompt.token_texts.push_back(text);
  }
  HS_TRY(writer.add_prompt(prompt));
  store::AttentionSpec spec;
  spec.prompt = "p";
  spec.heads = {{1, 0}};
  spec.n_query = spec.n_key = stored_tokens;
  HS_ASSIGN(store::AttentionWriter attention, writer.begin_attention(spec));
  std::vector<float> rows;
  for (std::int64_t q = 0; q < stored_tokens; ++q)
    for (std::int64_t k = 0; k < stored_tokens; ++k)
      rows.push_back(stored_weight(q, k));
  HS_TRY(attention.write_rows(0, 0, rows));
  return writer.commit(true);
}

} // namespace

class AttentionViewTest : public QObject {
  Q_OBJECT
private Q_SLOTS:
  void initTestCase() { apply_theme(Theme::dark, 1.0); }

  void empty_views_say_what_to_do() {
    Workspace workspace;
    for (auto make : {make_attention_view, make_hierarchy_view}) {
      const std::unique_ptr<View> view(make(workspace, nullptr));
      view->resize(600, 500);
      view->show();
      settle(workspace, *view);
      bool said = false;
      for (const QLabel* label : view->findChildren<QLabel*>())
        said = said || (label->isVisible() && label->text().contains(QStringLiteral("Open a model")));
      QVERIFY(said);
      QVERIFY(!view->exported());
    }
  }

  void hidden_views_compute_nothing() {
    load_default_model();
    AttentionView view(*default_workspace_, nullptr);
    default_workspace_->selection().set_head({3, 3});
    settle(*default_workspace_, view);
    QVERIFY(view.grid().canvases().empty());
  }

  void induction_stripe_is_where_it_must_be() {
    load_default_model();
    Workspace& workspace = *default_workspace_;
    workspace.selection().set_head({18, 6});
    AttentionView view(workspace, nullptr);
    view.resize(900, 800);
    view.show();
    settle(workspace, view);
    QCOMPARE(view.grid().canvases().size(), 1U);
    MapCanvas& canvas = *view.grid().canvases().front();
    const auto n = static_cast<std::int64_t>(workspace.prompt().tokens().size());
    const std::int64_t period = n / 2;
    QCOMPARE(n, 48);
    int bright = 0;
    const QImage image = canvas.grab().toImage();
    for (std::int64_t q = period + 4; q < n - 1; ++q) {
      const std::int64_t key = q - period + 1;
      const auto weight = canvas.value({q, key});
      QVERIFY(weight && weight->level == 0);
      // The pixel in the middle of the cell has the colour of its weight.
      const QColor seen = image.pixelColor(canvas.cell_rect({q, key}).center().toPoint());
      QVERIFY(close_to(seen, value_color(canvas.tiles().scale(), static_cast<double>(weight->weight))));
      bright += weight->weight > 0.5F ? 1 : 0;
      // The cell beside the stripe is dark, cells after the query have the colour of the page.
      QVERIFY(canvas.value({q, key + 3})->weight < 0.3F);
    }
    QVERIFY2(bright >= 15, qPrintable(QString::number(bright)));
    QVERIFY(close_to(image.pixelColor(canvas.cell_rect({5, 40}).center().toPoint()), inks().page));
  }

  void modes_scales_and_export() {
    load_default_model();
    Workspace& workspace = *default_workspace_;
    workspace.selection().set_heads({{18, 6}, {17, 3}, {16, 0}});
    AttentionView view(workspace, nullptr);
    view.resize(1000, 800);
    view.show();
    settle(workspace, view);
    QCOMPARE(view.grid().canvases().size(), 3U);
    const auto weight = [&](std::size_t i) { return view.grid().canvases()[i]->value({40, 17})->weight; };
    const float expected = (weight(0) + weight(1) + weight(2)) / 3.0F;
    auto content = view.exported();
    QVERIFY(content && std::holds_alternative<figures::PanelFigure>(content->figure));
    QCOMPARE(std::get<figures::PanelFigure>(content->figure).panels[1].title, std::string("17.3"));

    // The maps move together.
    auto canvases = view.grid().canvases();
    canvases[1]->zoom(3.0);
    QCOMPARE(canvases[0]->camera().cell(), canvases[1]->camera().cell());

    view.set_heads_shown(AttentionView::Heads::mean);
    settle(workspace, view);
    QCOMPARE(view.grid().canvases().size(), 1U);
    QVERIFY(std::abs(weight(0) - expected) < 1e-6F);
    view.grid().set_log(true);
    QVERIFY(view.grid().scale().log);

    content = view.exported();
    QVERIFY(content);
    const auto& figure = std::get<figures::HeatmapFigure>(content->figure);
    QCOMPARE(figure.rows, 48);
    QVERIFY(figure.causal_mask);
    QCOMPARE(figure.x_ticks[1], workspace.prompt().tokens()[1].text);
    QVERIFY(std::abs(figure.values[40 * 48 + 17] - expected) < 1e-6F);
    QVERIFY(figures::render_bytes(content->figure, figures::Format::png, {}, {}).ok());

    workspace.selection().set_head({18, 6});
    workspace.selection().set_isolated(true);
    settle(workspace, view);
    content = view.exported();
    QCOMPARE(std::get<figures::HeatmapFigure>(content->figure).title, std::string("Attention of head 18.6"));
    workspace.selection().set_isolated(false);
  }

  void keys_wheel_drag_and_clicks() {
    load_default_model();
    Workspace& workspace = *default_workspace_;
    workspace.selection().set_head({18, 6});
    AttentionView view(workspace, nullptr);
    view.resize(900, 800);
    view.show();
    settle(workspace, view);
    MapCanvas& canvas = *view.grid().canvases().front();
    const double fitted = canvas.camera().cell();
    // A click pins, a second one removes the pin.
    const QPoint at = canvas.cell_rect({30, 7}).center().toPoint();
    QTest::mouseClick(&canvas, Qt::LeftButton, {}, at);
    QCOMPARE(workspace.selection().query(), std::optional(30));
    QCOMPARE(workspace.selection().key(), std::optional(7));
    QTest::mouseClick(&canvas, Qt::LeftButton, {}, at);
    QVERIFY(!workspace.selection().query());
    // A label pins its token alone.
    const QPointF area = canvas.camera().visible().topLeft();
    QTest::mouseClick(&canvas, Qt::LeftButton, {},
                      QPoint(static_cast<int>(area.x()) - 10, canvas.cell_rect({12, 0}).center().toPoint().y()));
    QCOMPARE(workspace.selection().query(), std::optional(12));
    QVERIFY(!workspace.selection().key());
    QTest::keyClick(&canvas, Qt::Key_Escape);
    QVERIFY(!workspace.selection().query());
    // The wheel keeps what is under the pointer.
    const QPointF pointer = canvas.cell_rect({40, 17}).center();
    QWheelEvent wheel(pointer, canvas.mapToGlobal(pointer), {}, {0, 360}, Qt::NoButton, {}, Qt::NoScrollPhase, false);
    QCoreApplication::sendEvent(&canvas, &wheel);
    QVERIFY(canvas.camera().cell() > fitted * 1.9);
    QCOMPARE(canvas.cell_at(pointer)->query, 40);
    QCOMPARE(canvas.cell_at(pointer)->key, 17);
    // A drag moves the map with the pointer and pins nothing.
    const auto before = canvas.camera().to_screen(17, 40);
    const QPoint from = pointer.toPoint();
    QTest::mousePress(&canvas, Qt::LeftButton, {}, from);
    QTest::mouseMove(&canvas, from + QPoint(30, 20));
    QTest::mouseMove(&canvas, from + QPoint(60, 40));
    QTest::mouseRelease(&canvas, Qt::LeftButton, {}, from + QPoint(60, 40));
    const QPointF moved = canvas.camera().to_screen(17, 40) - before;
    QVERIFY(std::abs(moved.x() - 60) < 1.5 && std::abs(moved.y() - 40) < 1.5);
    QVERIFY(!workspace.selection().query());
    // Keys.
    const double cell = canvas.camera().cell();
    QTest::keyClick(&canvas, Qt::Key_Minus);
    QVERIFY(canvas.camera().cell() < cell);
    QTest::keyClick(&canvas, Qt::Key_0);
    QCOMPARE(canvas.camera().cell(), fitted);
    QTest::mouseDClick(&canvas, Qt::LeftButton, {}, canvas.cell_rect({30, 7}).center().toPoint());
    QVERIFY(canvas.camera().cell() > canvas.fontMetrics().horizontalAdvance(QStringLiteral("0.000")));
    QVERIFY(canvas.camera().visible().contains(canvas.cell_rect({30, 7}).center()));
    // Arrows alone are for the window.
    QKeyEvent arrow(QEvent::KeyPress, Qt::Key_Left, Qt::NoModifier);
    QCoreApplication::sendEvent(&canvas, &arrow);
    QVERIFY(!arrow.isAccepted());
  }

  void arcs() {
    load_default_model();
    Workspace& workspace = *default_workspace_;
    workspace.selection().set_head({18, 6});
    AttentionView view(workspace, nullptr);
    view.resize(700, 800);
    view.set_arcs(true);
    view.show();
    settle(workspace, view);
    auto* arcs = view.findChild<ArcsCanvas*>();
    QVERIFY(arcs && arcs->isVisible());
    QTest::mouseClick(arcs, Qt::LeftButton, {}, arcs->token_rect(5).center().toPoint());
    QCOMPARE(workspace.selection().query(), std::optional(5));
    // With a token of the second copy in focus, the token that it attends to is marked.
    workspace.selection().set_tokens(30, std::nullopt);
    const QImage image = arcs->grab().toImage();
    const auto back = [&](std::int64_t token) {
      const QRectF rect = arcs->token_rect(token);
      return image.pixelColor(
          QPoint(static_cast<int>(rect.left() + rect.width() * 0.6), static_cast<int>(rect.top()) + 2));
    };
    QVERIFY(!close_to(back(7), inks().page));
    QVERIFY(close_to(back(12), inks().page));
    workspace.selection().set_tokens(std::nullopt, std::nullopt);
  }

  void arrows_through_heads_come_from_the_cache() {
    load_default_model();
    Workspace& workspace = *default_workspace_;
    workspace.selection().set_head({18, 6});
    AttentionView view(workspace, nullptr);
    view.resize(700, 600);
    view.show();
    settle(workspace, view);
    const MapSource* first = view.grid().canvases().front()->map().get();
    // Quickly through some heads: the newest wins.
    for (int head = 0; head < 6; ++head) {
      workspace.selection().set_head({18, head});
      QTest::qWait(1);
    }
    settle(workspace, view);
    const QString title = view.grid().items().front().title;
    QCOMPARE(title, QStringLiteral("18.5"));
    workspace.selection().set_head({18, 6});
    QTRY_COMPARE(view.grid().canvases().front()->map().get(), first);
    QVERIFY(first->settled());
  }

  void stored_maps() {
    QTemporaryDir folder;
    const QString path = folder.filePath(QStringLiteral("planted.h5"));
    const Status written = write_result(path.toStdString());
    QVERIFY2(written.ok(), written.ok() ? "" : written.error().to_string().c_str());
    Workspace workspace;
    AttentionView view(workspace, nullptr);
    HierarchyView lens(workspace, nullptr);
    view.resize(500, 450); // the map is pooled
    lens.resize(700, 600);
    view.show();
    lens.show();
    workspace.open_result(path);
    settle(workspace, view);
    settle(workspace, lens);
    QCOMPARE(view.grid().canvases().size(), 1U);
    MapCanvas& canvas = *view.grid().canvases().front();
    QVERIFY(canvas.level() > 0);
    // Pooling by the largest keeps a stripe one weight wide.
    const QImage image = canvas.grab().toImage();
    for (const std::int64_t q : {150, 301, 452, 590}) {
      const QPoint at = canvas.cell_rect({q, q - 100}).center().toPoint();
      bool found = false;
      for (int dx = -1; dx <= 1; ++dx) // a pooled cell is up to two pixels wide
        found = found || close_to(image.pixelColor(at + QPoint(dx, 0)), value_color(canvas.tiles().scale(), 0.75));
      QVERIFY(found);
      QVERIFY(close_to(image.pixelColor(at + QPoint(12, 0)), value_color(canvas.tiles().scale(), 0.0)));
    }
    QCOMPARE(canvas.value({300, 200})->weight, 0.75F);
    QCOMPARE(canvas.value({300, 201})->weight, 0.0F);
    // The lens: sentences of five words; each attends to the one 20 sentences back, and with the rest to the first
    // token.
    lens.show_level(UnitLevel::sentence);
    settle(workspace, lens);
    QCOMPARE(lens.units().units().size(), 121U); // the first token is one of its own
    MapCanvas& map = *lens.grid().canvases().front();
    QVERIFY(std::abs(map.value({50, 30})->weight - 0.75F) < 1e-3F);
    QVERIFY(std::abs(map.value({50, 0})->weight - 0.25F) < 1e-3F);
    // A head that the file does not have.
    workspace.selection().set_head({0, 1});
    settle(workspace, view);
    bool said = false;
    for (const QLabel* label : view.findChildren<QLabel*>())
      said = said || (label->isVisible() && label->text().contains(QStringLiteral("no map of head 0.1")));
    QVERIFY(said);
  }

  void a_click_opens_a_unit_in_place() {
    load_default_model();
    Workspace& workspace = *default_workspace_;
    workspace.set_prompt(
        {"The keeper climbed the stairs. He lit the lamp.\n\nThe ships came home. Nobody knew why.\n", false, true});
    workspace.selection().set_head({18, 6});
    HierarchyView lens(workspace, nullptr);
    lens.resize(800, 700);
    lens.show();
    settle(workspace, lens);
    lens.show_level(UnitLevel::paragraph);
    settle(workspace, lens);
    QCOMPARE(lens.units().units().size(), 3U); // the first token apart
    MapCanvas& canvas = *lens.grid().canvases().front();
    const float whole = canvas.value({2, 1})->weight;
    QTest::mouseClick(&canvas, Qt::LeftButton, {}, canvas.cell_rect({1, 1}).center().toPoint());
    settle(workspace, lens);
    QCOMPARE(lens.units().units().size(), 4U); // its two sentences, rows and columns alike
    QCOMPARE(canvas.map()->shape().n_query, 4);
    // The attention to a paragraph is the sum of that to its sentences.
    QVERIFY(std::abs(canvas.value({3, 1})->weight + canvas.value({3, 2})->weight - whole) < 1e-5F);
    QTest::mouseClick(&canvas, Qt::LeftButton, Qt::ShiftModifier, canvas.cell_rect({2, 1}).center().toPoint());
    settle(workspace, lens);
    QCOMPARE(lens.units().units().size(), 3U);
    // By keys.
    QTest::keyClick(&canvas, Qt::Key_PageDown);
    QTest::keyClick(&canvas, Qt::Key_PageDown);
    QTest::keyClick(&canvas, Qt::Key_Return);
    settle(workspace, lens);
    QVERIFY(lens.units().units().size() > 3U);
    const auto content = lens.exported();
    QVERIFY(content);
    const auto& figure = std::get<figures::HeatmapFigure>(content->figure);
    QCOMPARE(figure.rows, static_cast<std::int64_t>(lens.units().units().size()));
    QVERIFY(figures::render_bytes(content->figure, figures::Format::svg, {}, {}).ok());
    default_workspace_.reset(); // it has another prompt now
  }

private:
  void load_default_model() {
    if (default_workspace_) return;
    default_workspace_ = std::make_unique<Workspace>();
    const auto failed = [](const QString& what, const Error& error) {
      QFAIL(qPrintable(what + QString::fromStdString(": " + error.to_string())));
    };
    connect(default_workspace_.get(), &Workspace::failed, this, failed);
    default_workspace_->open_model({"smollm2", "float32", "cpu"});
    QTRY_VERIFY(default_workspace_->model());
    default_workspace_->set_prompt({std::string(words) + words, false, true});
    QTRY_VERIFY(default_workspace_->live());
  }

  std::unique_ptr<Workspace> default_workspace_;
};

} // namespace headscope::gui

QTEST_MAIN(headscope::gui::AttentionViewTest)
#include "attention_view_test.moc"
