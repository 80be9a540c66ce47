// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/figures/style.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include <QCoreApplication>
#include <QFontDatabase>
#include <QFontMetricsF>
#include <QGlyphRun>
#include <QGuiApplication>
#include <QRawFont>
#include <QTextLayout>

namespace headscope::figures {

namespace {

struct Face {
  std::string family;
  double scale = 1;
};

constexpr double usual_size = 12; // of axis titles

thread_local Face face;

struct FontSpec {
  double pixels;
  bool bold;
};

FontSpec spec(FontRole role) {
  switch (role) {
  case FontRole::title: return {16, true};
  case FontRole::subtitle: return {12, false};
  case FontRole::panel_title: return {12, true};
  case FontRole::axis: return {12, false};
  case FontRole::tick: return {11, false};
  case FontRole::cell: return {10, false};
  }
  return {11, false};
}

Palette light_palette() {
  Palette p;
  p.page = QColor(0xffffff);
  p.text = QColor(0x1b1f24);
  p.muted = QColor(0x57606a);
  p.accent = QColor(0xb3261e);
  p.axis = QColor(0x8c959f);
  p.grid = QColor(0xe3e6ea);
  p.nan_fill = QColor(0xc9cdd2);
  p.nan_line = QColor(0x8c959f);
  for (const QRgb c : {0x0072b2u, 0xd55e00u, 0x009e73u, 0xcc79a7u, 0xe69f00u, 0x56b4e9u, 0x4d4d4du}) {
    p.series.emplace_back(QRgb(c));
  }
  return p;
}

Palette dark_palette() {
  Palette p;
  p.page = QColor(0x16181d);
  p.text = QColor(0xe8eaed);
  p.muted = QColor(0xa3abb5);
  p.accent = QColor(0xff8a7a);
  p.axis = QColor(0x6b737d);
  p.grid = QColor(0x2b2f36);
  p.nan_fill = QColor(0x4a4f57);
  p.nan_line = QColor(0x7d858f);
  for (const QRgb c : {0x56b4e9u, 0xf08a3cu, 0x2fc79au, 0xe39ac4u, 0xf0c040u, 0x3f8fd0u, 0xc8c8c8u}) {
    p.series.emplace_back(QRgb(c));
  }
  return p;
}

} // namespace

QColor Palette::ink(Ink which) const {
  switch (which) {
  case Ink::text: return text;
  case Ink::muted: return muted;
  case Ink::accent: return accent;
  }
  return text;
}

const Palette& palette(bool dark) {
  static const Palette light_one = light_palette();
  static const Palette dark_one = dark_palette();
  return dark ? dark_one : light_one;
}

Typeface::Typeface(const RenderOptions& options) { face = {options.font, options.font_size / usual_size}; }

Typeface::~Typeface() { face = {}; }

double text_scale() { return face.scale; }

QFont font(FontRole role) {
  const FontSpec wanted = spec(role);
  QStringList families{QStringLiteral("DejaVu Sans"), QStringLiteral("sans-serif")};
  if (!face.family.empty()) families.prepend(QString::fromStdString(face.family));
  QFont result(families);
  result.setPixelSize(std::max(1, static_cast<int>(std::lround(wanted.pixels * face.scale))));
  result.setWeight(wanted.bold ? QFont::Bold : QFont::Normal);
  result.setHintingPreference(QFont::PreferNoHinting);
  return result;
}

Status check_fonts(const std::string& family) {
  if (!qobject_cast<QGuiApplication*>(QCoreApplication::instance())) {
    return make_error(ErrorCode::internal, "no FigureRuntime exists; create one in main() before the first figure");
  }
  if (QFontDatabase::families().isEmpty()) {
    return make_error(ErrorCode::not_found, "the machine has no font to label a figure; install fonts-dejavu-core");
  }
  if (!family.empty() && !QFontDatabase::hasFamily(QString::fromStdString(family))) {
    return make_error(ErrorCode::not_found, "the machine has no font of the family '" + family + "'", {}, "font");
  }
  return {};
}

double text_width(FontRole role, const std::string& text) {
  return QFontMetricsF(font(role)).horizontalAdvance(QString::fromStdString(text));
}

double line_height(FontRole role) { return std::ceil(QFontMetricsF(font(role)).height()); }

double ascent(FontRole role) { return QFontMetricsF(font(role)).ascent(); }

std::string clean_text(const std::string& bytes) {
  QString text = QString::fromUtf8(bytes.data(), static_cast<qsizetype>(bytes.size()));
  for (QChar& c : text) {
    if (c == u'\t')
      c = u' ';
    else if (c < u' ' && c != u'\n')
      c = QChar(0x2400 + c.unicode());
    else if (c.unicode() >= 0x7F && c.unicode() < 0xA0)
      c = QChar::ReplacementCharacter;
    else if (c.unicode() >= 0xFFFE)
      c = QChar::ReplacementCharacter;
  }
  return text.toStdString();
}

namespace {

// Joiners and variation selectors belong to their neighbours and are never drawn by themselves.
bool is_invisible(char32_t character) {
  return QChar::category(character) == QChar::Other_Format || (character >= 0xFE00 && character <= 0xFE0F) ||
         (character >= 0xE0100 && character <= 0xE01EF);
}

bool has_glyph(char32_t character) {
  static std::map<std::pair<std::string, char32_t>, bool> known;
  const auto [place, is_new] = known.insert({{face.family, character}, false});
  if (!is_new) return place->second;
  QTextLayout layout(QString::fromUcs4(&character, 1), font(FontRole::tick));
  layout.beginLayout();
  layout.createLine();
  layout.endLayout();
  for (const QGlyphRun& run : layout.glyphRuns())
    // The font that Qt draws boxes with claims to have every character, but has no tables.
    if (run.rawFont().supportsCharacter(static_cast<quint32>(character)) && !run.rawFont().fontTable("cmap").isEmpty())
      place->second = true;
  return place->second;
}

} // namespace

std::string drawable_text(const std::string& text) {
  QString out;
  for (const char32_t character : QString::fromStdString(text).toStdU32String()) {
    if (character < 0x80 || is_invisible(character) || has_glyph(character))
      out += QString::fromUcs4(&character, 1);
    else
      out += QStringLiteral("U+%1").arg(static_cast<uint>(character), 4, 16, QLatin1Char('0')).toUpper();
  }
  return out.toStdString();
}

std::string shortened(FontRole role, const std::string& text, double width) {
  const QString whole = QString::fromStdString(clean_text(text));
  return QFontMetricsF(font(role)).elidedText(whole, Qt::ElideRight, width).toStdString();
}

std::vector<std::string> wrap(FontRole role, const std::string& text, double width, int max_lines) {
  std::vector<std::string> lines;
  QString source = QString::fromStdString(clean_text(text)).trimmed();
  if (source.isEmpty()) return lines;
  source.replace(u'\n', QChar::LineSeparator);
  QTextLayout text_layout(source, font(role));
  QTextOption option;
  option.setWrapMode(QTextOption::WrapAtWordBoundaryOrAnywhere);
  text_layout.setTextOption(option);
  text_layout.beginLayout();
  for (QTextLine line = text_layout.createLine(); line.isValid(); line = text_layout.createLine()) {
    line.setLineWidth(width);
    const bool last = static_cast<int>(lines.size()) == max_lines - 1;
    QString part = last ? source.mid(line.textStart()) : source.mid(line.textStart(), line.textLength());
    part.replace(QChar::LineSeparator, u' ');
    part = QFontMetricsF(font(role)).elidedText(part.trimmed(), Qt::ElideRight, width);
    lines.push_back(part.toStdString());
    if (last) break;
  }
  text_layout.endLayout();
  return lines;
}

} // namespace headscope::figures
