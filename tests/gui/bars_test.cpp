// SPDX-License-Identifier: GPL-3.0-or-later
// Bars of layers and of predicted tokens: what is drawn where, clicks, tool tips, theme and font.
#include <QGraphicsTextItem>
#include <QHelpEvent>
#include <QSignalSpy>
#include <QTest>
#include <QToolTip>

#include "app/figures/graph_look.h"
#include "app/gui/style/theme.h"
#include "app/gui/views/ablation/prediction_bars.h"
#include "app/gui/views/lens/layer_bars.h"
#include "tests/gui/patience.h"

namespace headscope::gui {
namespace {

AttributionMap three_layers() {
  AttributionMap map;
  map.n_layers = 3;
  map.n_heads = 1;
  map.input = -0.5;
  map.attention = {1.0, -0.25, 0.5};
  map.mlps = {0.75, 2.0, -1.0};
  return map;
}

std::vector<PredictedToken> three_tokens() {
  return {{{1, "", " Mary", false}, 0.5, 0.25},
          {{2, "", "<b>&", false}, 0.25, 0.375},
          {{3, "", "<b>&", false}, 0.125, 0.0}};
}

bool close(QColor a, QColor b) {
  return std::abs(a.red() - b.red()) + std::abs(a.green() - b.green()) + std::abs(a.blue() - b.blue()) <= 6;
}

QColor pixel(QWidget& widget, QPointF place) { return widget.grab().toImage().pixelColor(place.toPoint()); }

QColor node_color(figures::NodeKind kind) { return QColor(QRgb(figures::node_ink(kind, is_dark()).line)); }

// Whether the chart has that text, in full.
bool says(const QChartView& view, const QString& text) {
  const auto items = view.scene()->items();
  return std::any_of(items.begin(), items.end(), [&](const QGraphicsItem* item) {
    const auto* label = dynamic_cast<const QGraphicsTextItem*>(item);
    return label && label->isVisible() && label->toPlainText().remove(QChar(0x200B)) == text;
  });
}

void change_theme(Theme theme, double font_scale) {
  apply_theme(theme, font_scale);
  QCoreApplication::processEvents();
}

QString tip_at(QChartView& view, QPointF place) {
  QToolTip::hideText();
  QHelpEvent help(QEvent::ToolTip, place.toPoint(), view.viewport()->mapToGlobal(place.toPoint()));
  QCoreApplication::sendEvent(view.viewport(), &help);
  return QToolTip::text();
}

} // namespace

class BarsTest : public QObject {
  Q_OBJECT

private Q_SLOTS:
  void init() { apply_theme(Theme::light, 1.0); }

  void layers_have_their_bars_in_both_themes() {
    LayerBars bars;
    bars.resize(600, 240);
    bars.set_map(three_layers());
    bars.show();
    for (const Theme theme : {Theme::light, Theme::dark}) {
      change_theme(theme, 1.0);
      QVERIFY(close(pixel(bars, bars.bar_rect(-1, false).center()), node_color(figures::NodeKind::input)));
      for (int layer = 0; layer < 3; ++layer) {
        QVERIFY(close(pixel(bars, bars.bar_rect(layer, false).center()), node_color(figures::NodeKind::head)));
        QVERIFY(close(pixel(bars, bars.bar_rect(layer, true).center()), node_color(figures::NodeKind::mlp)));
      }
    }
    // Above 0 and below, and as long as its value.
    const double zero = bars.bar_rect(0, false).bottom();
    QVERIFY(std::abs(bars.bar_rect(2, true).top() - zero) < 1e-6);
    QVERIFY(std::abs(bars.bar_rect(1, true).height() - 2 * bars.bar_rect(0, false).height()) < 1e-6);
    QVERIFY(bars.accessibleDescription().contains(QStringLiteral("layer 1: attention −0.25, MLP 2")));
  }

  void a_layer_is_clicked_and_marked() {
    LayerBars bars;
    bars.resize(600, 240);
    bars.set_map(three_layers());
    bars.show();
    QSignalSpy clicks(&bars, &LayerBars::layer_clicked);
    // Far from its bars, in its column.
    const QPointF foot(bars.bar_rect(1, true).left() + 2, bars.bar_rect(2, true).bottom());
    QVERIFY(!close(pixel(bars, foot), inks().grid));
    QTest::mouseClick(bars.viewport(), Qt::LeftButton, {}, foot.toPoint());
    QCOMPARE(clicks.size(), 1);
    QCOMPARE(clicks[0][0].toInt(), 1);
    QTest::mouseClick(bars.viewport(), Qt::LeftButton, {}, bars.bar_rect(-1, false).center().toPoint());
    QCOMPARE(clicks.size(), 1); // the embedding is no layer
    bars.set_current(1);
    QVERIFY(close(pixel(bars, foot), inks().grid));
    QCOMPARE(tip_at(bars, foot), QStringLiteral("layer 1: attention −0.25, MLP 2"));
    QCOMPARE(tip_at(bars, bars.bar_rect(-1, false).center()), QStringLiteral("embedding: −0.5"));
    bars.set_map(three_layers());
    QVERIFY2(close(pixel(bars, foot), inks().grid), "new values take the mark away");
    bars.set_current(std::nullopt);
    QVERIFY(!close(pixel(bars, foot), inks().grid));
  }

  void clean_stands_above_ablated() {
    PredictionBars bars;
    bars.resize(600, bars.sizeHint().height());
    bars.show();
    bars.set_prediction(three_tokens(), true);
    bars.resize(600, bars.sizeHint().height());
    for (const Theme theme : {Theme::light, Theme::dark}) {
      change_theme(theme, 1.0);
      for (int row = 0; row < 2; ++row) {
        const QRectF clean = bars.bar_rect(row, false), ablated = bars.bar_rect(row, true);
        QVERIFY(clean.bottom() <= ablated.top() + 1e-6);
        QVERIFY(close(pixel(bars, clean.center()), inks().muted));
        QVERIFY(close(pixel(bars, ablated.center()), inks().accent));
        QVERIFY(close(pixel(bars, {clean.right() + 4, clean.center().y()}), palette_background()));
      }
    }
    QCOMPARE(bars.bar_rect(0, false).width(), 2 * bars.bar_rect(1, false).width());
    QVERIFY(bars.bar_rect(2, false).top() > bars.bar_rect(1, false).top());
    QCOMPARE(tip_at(bars, bars.bar_rect(1, true).center()), QStringLiteral("<b>& (id 2)\nclean 0.25\nablated 0.375"));
    QVERIFY(bars.accessibleDescription().contains(QStringLiteral("Mary 50.0% → 25.0%")));
    for (const char* text : {"␣Mary", "<b>&", "25.0% −25.0", "37.5% +12.5"})
      QVERIFY2(says(bars, QString::fromUtf8(text)), text);
    bars.set_prediction(three_tokens(), false);
    QVERIFY(bars.bar_rect(0, true).isEmpty());
    QVERIFY(close(pixel(bars, bars.bar_rect(0, false).center()), inks().muted));
    QCOMPARE(tip_at(bars, bars.bar_rect(0, false).center()), QStringLiteral("␣Mary (id 1)\nclean 0.5"));
  }

  void rows_grow_with_the_font() {
    PredictionBars bars;
    bars.set_prediction(three_tokens(), true);
    bars.show();
    const int before = bars.sizeHint().height();
    change_theme(Theme::light, 2.0);
    QVERIFY(bars.sizeHint().height() > before * 3 / 2);
    change_theme(Theme::light, 1.0);
    QCOMPARE(bars.sizeHint().height(), before);
  }

private:
  static QColor palette_background() { return QApplication::palette().color(QPalette::Window); }
};

} // namespace headscope::gui

QTEST_MAIN(headscope::gui::BarsTest)
#include "bars_test.moc"
