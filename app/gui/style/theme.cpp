// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/style/theme.h"

#include <cmath>
#include <utility>

#include <QApplication>
#include <QPainter>
#include <QPalette>
#include <QProxyStyle>
#include <QWidget>

#include "app/figures/token_label.h"

namespace headscope::gui {
namespace {

const Inks light_inks = {QColor(0xffffff), QColor(0x1b1f24), QColor(0x5f6873), QColor(0x0b62c4),
                         QColor(0xb3261e), QColor(0xd5dae0), QColor(0xdedede)};
const Inks dark_inks = {QColor(0x16191d), QColor(0xe6e9ed), QColor(0x9aa4b0), QColor(0x6cb2ff),
                        QColor(0xff8a80), QColor(0x353b43), QColor(0x3a3f45)};

bool dark_now = false;
figures::ColorMap value_map = figures::ColorMap::viridis;

// System palettes differ too much between desktops for views that draw themselves, so there are only these two.
QPalette palette_of(bool dark) {
  const Inks& ink = dark ? dark_inks : light_inks;
  const QColor window = dark ? QColor(0x1f2329) : QColor(0xf4f6f8), button = dark ? QColor(0x2b3037) : QColor(0xe9edf1);
  QPalette palette;
  palette.setColor(QPalette::Window, window);
  palette.setColor(QPalette::WindowText, ink.text);
  palette.setColor(QPalette::Base, ink.page);
  palette.setColor(QPalette::AlternateBase, window);
  palette.setColor(QPalette::Text, ink.text);
  palette.setColor(QPalette::PlaceholderText, ink.muted);
  palette.setColor(QPalette::Button, button);
  palette.setColor(QPalette::ButtonText, ink.text);
  palette.setColor(QPalette::ToolTipBase, dark ? QColor(0x2b3037) : QColor(0xffffff));
  palette.setColor(QPalette::ToolTipText, ink.text);
  palette.setColor(QPalette::Highlight, ink.accent);
  palette.setColor(QPalette::HighlightedText, dark ? QColor(0x101317) : QColor(0xffffff));
  palette.setColor(QPalette::Link, ink.accent);
  palette.setColor(QPalette::BrightText, ink.warning);
  palette.setColor(QPalette::Light, dark ? QColor(0x3a4048) : QColor(0xffffff));
  palette.setColor(QPalette::Mid, dark ? QColor(0x3a4048) : QColor(0xc2c9d1));
  palette.setColor(QPalette::Dark, dark ? QColor(0x101317) : QColor(0x9aa4b0));
  for (const auto role : {QPalette::WindowText, QPalette::Text, QPalette::ButtonText})
    palette.setColor(QPalette::Disabled, role, ink.muted);
  return palette;
}

// Fusion with what it lacks: it outlines tick boxes darker than the window, which is invisible on a dark one.
class WindowStyle : public QProxyStyle {
public:
  WindowStyle() : QProxyStyle(QStringLiteral("Fusion")) {}
  // A narrow window has a tab for each view, whose names are to be read.
  int pixelMetric(PixelMetric metric, const QStyleOption* option, const QWidget* widget) const override {
    const int pixels = QProxyStyle::pixelMetric(metric, option, widget);
    return metric == PM_TabBarTabHSpace ? pixels / 2 : pixels;
  }
  void drawPrimitive(PrimitiveElement element, const QStyleOption* option, QPainter* painter,
                     const QWidget* widget) const override {
    QProxyStyle::drawPrimitive(element, option, painter, widget);
    if (element != PE_IndicatorCheckBox && element != PE_IndicatorItemViewItemCheck) return;
    painter->save();
    painter->setBrush(Qt::NoBrush);
    painter->setPen(dark_now ? dark_inks.muted : light_inks.muted);
    painter->drawRect(option->rect.adjusted(0, 0, -1, -1));
    painter->restore();
  }
};

double system_point_size() {
  static const double size = QApplication::font().pointSizeF();
  return size > 0 ? size : 10.0;
}

} // namespace

void apply_theme(Theme theme, double font_scale) {
  static const bool system_dark = QApplication::palette().color(QPalette::Window).lightness() < 128;
  dark_now = theme == Theme::dark || (theme == Theme::system && system_dark);
  QApplication::setStyle(new WindowStyle);
  QApplication::setPalette(palette_of(dark_now));
  QFont font = QApplication::font();
  font.setPointSizeF(system_point_size() * font_scale);
  QApplication::setFont(font);
}

// Views have pictures in the colours of before, and make them anew as when the theme changes.
void set_value_colors(figures::ColorMap map) {
  if (map == std::exchange(value_map, map)) return;
  for (QWidget* widget : QApplication::allWidgets()) {
    QEvent changed(QEvent::PaletteChange);
    QApplication::sendEvent(widget, &changed);
    widget->update();
  }
}

figures::ColorMap value_colors() { return value_map; }

bool is_dark() { return dark_now; }

const Inks& inks() { return dark_now ? dark_inks : light_inks; }

QColor value_color(const figures::ResolvedScale& scale, double value) {
  if (std::isnan(value)) return inks().nan;
  figures::ResolvedScale own = scale;
  if (own.kind == figures::ScaleKind::sequential) own.map = value_map;
  return QColor(own.color(value));
}

QColor text_on(const QColor& background) {
  const double luminance = 0.2126 * background.redF() + 0.7152 * background.greenF() + 0.0722 * background.blueF();
  return luminance > 0.5 ? QColor(0x14171a) : QColor(0xffffff);
}

QString token_text(const std::string& bytes, std::size_t max_length) {
  return QString::fromStdString(figures::token_label(bytes, max_length));
}

} // namespace headscope::gui
