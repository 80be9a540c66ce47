// SPDX-License-Identifier: GPL-3.0-or-later
// The maps of all heads at one glance: reduced as the attention view reduces them, layer by layer as they are seen, and
// gone when the view is hidden.
#include <algorithm>

#include <QScrollBar>
#include <QSignalSpy>
#include <QTemporaryDir>

#include "app/gui/engine/attention_map.h"
#include "app/gui/engine/model_job.h"
#include "app/gui/engine/thumbnail_job.h"
#include "app/gui/style/theme.h"
#include "app/gui/views/thumbnails/thumbnail_sheet.h"
#include "app/gui/views/thumbnails/thumbnails_view.h"
#include "tests/gui/menus.h"
#include "tests/gui/patience.h"
#include "tests/gui/tiny_model.h"

namespace headscope::gui {

class ThumbnailsTest : public QObject {
  Q_OBJECT
private:
  QTemporaryDir folder_;
  std::string tiny() const { return make_tiny_model(folder_.filePath(QStringLiteral("tiny")).toStdString()); }

  static void open(Workspace& workspace, const std::string& model, const std::string& prompt) {
    workspace.open_model({model, "float32", "cpu"});
    QTRY_VERIFY(workspace.model().has_value());
    workspace.set_prompt({prompt, false, true});
    QTRY_VERIFY(workspace.live() && workspace.settled());
  }

private Q_SLOTS:
  void initTestCase() { apply_theme(Theme::light, 1.0); }

  void maps_have_few_cells() {
    QCOMPARE(thumbnail_level(48, 48), 0);
    QCOMPARE(thumbnail_level(49, 48), 1);
    QCOMPARE(level_cells(2500, thumbnail_level(2500, 48)), 40);
    QCOMPARE(thumbnail_level(1, 48), 0);
  }

  // A cell has the largest weight of those under it.
  void a_map_is_the_reduced_pattern() {
    auto state = make_engine_state();
    QVERIFY(open_model(*state, {tiny(), "float32", "cpu"}, {}).ok());
    const auto tokens = tokenize(*state, {"When Mary and John went to the store", false, true});
    QVERIFY(tokens.ok());
    std::vector<std::int64_t> ids;
    for (const TokenInfo& token : *tokens)
      ids.push_back(token.id);
    const auto shared = std::make_shared<const std::vector<std::int64_t>>(ids);
    const auto found = layer_thumbnails(*state, {shared, 1, {}, 10}, {});
    QVERIFY2(found.ok(), found.ok() ? "" : found.error().to_string().c_str());
    QCOMPARE(found->heads.size(), 4U);
    const auto n = static_cast<std::int64_t>(ids.size());
    const std::int64_t pooled = std::int64_t{1} << thumbnail_level(n, 10);
    for (int head = 0; head < 4; ++head) {
      const Tile& small = found->heads[static_cast<std::size_t>(head)];
      QVERIFY(small.rows <= 10 && small.rows == small.cols && small.complete);
      const auto whole = attention_tile(*state, {shared, {{1, head}}, {}, {}}, {0, 0, 0}, {}, {});
      QVERIFY(whole.ok() && whole->rows == n);
      for (std::int64_t row = 0; row < small.rows; ++row)
        for (std::int64_t col = 0; col <= row; ++col) {
          float most = masked_weight;
          for (std::int64_t q = row * pooled; q < std::min(n, (row + 1) * pooled); ++q)
            for (std::int64_t k = col * pooled; k < std::min(q + 1, (col + 1) * pooled); ++k)
              most = std::max(most, whole->at(q, k, Pooling::max));
          QCOMPARE(small.at(row, col, Pooling::max), most);
        }
      QCOMPARE(small.at(0, small.cols - 1, Pooling::max), masked_weight);
    }
  }

  void only_what_is_seen_is_computed_and_hidden_maps_are_dropped() {
    Workspace workspace;
    ThumbnailsView view(workspace, nullptr);
    ThumbnailSheet& sheet = view.sheet();
    sheet.set_fit(false);
    view.resize(700, 150); // one layer of large maps has room
    view.show();
    open(workspace, tiny(), "Mary and John");
    QCOMPARE(sheet.layers(), 2);
    QTRY_VERIFY(sheet.has_maps(0) && workspace.engine().idle());
    QCOMPARE(sheet.layers_seen(), std::vector<int>{0});
    QVERIFY(!sheet.has_maps(1));
    const QImage map = sheet.map({0, 2});
    QCOMPARE(map.width(), static_cast<int>(workspace.prompt().tokens().size()));
    QCOMPARE(map.pixelColor(map.width() - 1, 0).rgb(), inks().page.rgb()); // the key comes after the query
    figures::ResolvedScale scale;
    scale.log = true;
    scale.low = scale.center = 0.01;
    QCOMPARE(map.pixelColor(0, 0).rgb(), value_color(scale, 1.0).rgb()); // the first token sees itself alone
    sheet.verticalScrollBar()->setValue(sheet.verticalScrollBar()->maximum());
    QTRY_VERIFY(sheet.has_maps(1) && workspace.engine().idle());
    sheet.set_fit(true); // so small that both have room
    QCOMPARE(sheet.layers_seen(), (std::vector<int>{0, 1}));
    QVERIFY(sheet.map_rect({1, 3}).bottom() < sheet.viewport()->height());
    view.hide();
    QVERIFY(!sheet.has_maps(0) && !sheet.has_maps(1));
    workspace.set_prompt({"another", false, true});
    QTRY_COMPARE(workspace.prompt().tokens().size(), 8U);
    QTRY_VERIFY(workspace.settled());
    QVERIFY(!sheet.has_maps(1)); // hidden, it computes nothing
    view.show();
    QTRY_VERIFY(sheet.has_maps(1) && workspace.engine().idle());
    QCOMPARE(sheet.map({1, 0}).width(), 8);
  }

  // In a wide window layers stand in several columns, so that maps are larger and no width is left.
  void a_wide_window_is_filled() {
    ThumbnailSheet sheet;
    sheet.set_shape(30, 9);
    sheet.resize(600, 1800);
    sheet.show();
    QCOMPARE(sheet.columns(), 1);
    sheet.resize(1600, 900);
    QTRY_VERIFY(sheet.columns() > 1);
    const int n = sheet.columns(), side = sheet.map_rect({0, 0}).width();
    QVERIFY((900 - 20) / 30 < side); // than with all layers in one
    QVERIFY(sheet.map_rect({29, 8}).right() > 1600 * (n - 1) / n);
    for (int layer = 0; layer < 30; ++layer)
      for (int head = 0; head < 9; ++head) {
        const QRect rect = sheet.map_rect({layer, head});
        QVERIFY(sheet.viewport()->rect().contains(rect));
        QCOMPARE(sheet.head_at(rect.center()), std::optional(HeadId{layer, head}));
      }
    QCOMPARE(sheet.layers_seen().size(), 30U);
    sheet.set_fit(false); // wide maps, which scroll
    QCOMPARE(sheet.columns(), 1);
    QVERIFY(sheet.map_rect({0, 8}).right() > 1600 * 9 / 10);
  }

  void a_click_opens_the_head() {
    Workspace workspace;
    ThumbnailsView view(workspace, nullptr);
    view.resize(500, 400);
    view.show();
    open(workspace, tiny(), "Mary and John");
    QSignalSpy views(&workspace, &Workspace::view_wanted);
    ThumbnailSheet& sheet = view.sheet();
    QTest::mouseClick(sheet.viewport(), Qt::LeftButton, Qt::NoModifier, sheet.map_rect({1, 2}).center());
    QCOMPARE(*workspace.selection().head(), (HeadId{1, 2}));
    QCOMPARE(views.takeFirst().front().toString(), QStringLiteral("attention"));
    QTest::keyClick(&sheet, Qt::Key_Right);
    QCOMPARE(*workspace.selection().head(), (HeadId{1, 3}));
    QTest::keyClick(&sheet, Qt::Key_Right); // there is no further
    QTest::keyClick(&sheet, Qt::Key_Up);
    QCOMPARE(*workspace.selection().head(), (HeadId{0, 3}));
    QCOMPARE(views.size(), 0);
    QTest::keyClick(&sheet, Qt::Key_Return);
    QCOMPARE(views.size(), 1);
    // The Menu key is about the selected head, a right click about that under the pointer.
    QVERIFY(test::use_menu(*sheet.viewport(), QStringLiteral("Ablate")));
    QVERIFY(workspace.ablation().find({0, 3}));
    QVERIFY(test::use_menu(*sheet.viewport(), QStringLiteral("Ablate"), sheet.map_rect({1, 0}).center()));
    QVERIFY(workspace.ablation().find({1, 0}));
    QVERIFY(!test::menu_of(*sheet.viewport(), QPoint(1, 1)));
  }

  // All maps on one page, each where its layer and head are.
  void all_maps_are_exported() {
    Workspace workspace;
    ThumbnailsView view(workspace, nullptr);
    QVERIFY(!view.exported());
    view.resize(500, 400);
    view.show();
    open(workspace, tiny(), "Mary and John");
    QTRY_VERIFY(view.sheet().has_maps(0) && view.sheet().has_maps(1) && workspace.engine().idle());
    const auto content = view.exported();
    QVERIFY(content.has_value());
    const auto& page = std::get<figures::HeatmapFigure>(content->figure);
    const auto n = static_cast<std::int64_t>(workspace.prompt().tokens().size());
    QCOMPARE(page.rows, 2 * (n + 1) - 1);
    QCOMPARE(page.cols, 4 * (n + 1) - 1);
    auto state = make_engine_state();
    QVERIFY(open_model(*state, {tiny(), "float32", "cpu"}, {}).ok());
    const auto shared = std::make_shared<const std::vector<std::int64_t>>(workspace.prompt().ids());
    const auto map = attention_tile(*state, {shared, {{1, 2}}, {}, {}}, {0, 0, 0}, {}, {});
    QVERIFY(map.ok());
    for (std::int64_t row = 0; row < n; ++row)
      for (std::int64_t col = 0; col <= row; ++col)
        QCOMPARE(page.values[static_cast<std::size_t>((n + 1 + row) * page.cols + 2 * (n + 1) + col)],
                 map->at(row, col, Pooling::max));
    QCOMPARE(page.y_ticks[static_cast<std::size_t>(n + 1)], std::string("1"));
    QCOMPARE(page.x_ticks[static_cast<std::size_t>(2 * (n + 1))], std::string("2"));
  }
};

} // namespace headscope::gui

QTEST_MAIN(headscope::gui::ThumbnailsTest)
#include "thumbnails_test.moc"
