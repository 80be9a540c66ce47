// SPDX-License-Identifier: GPL-3.0-or-later
// Colours, ranges and fonts that are asked of a finished figure.
#include <gtest/gtest.h>

#include "app/figures/color_map.h"
#include "app/figures/restyle.h"
#include "tests/figures/samples.h"
#include "tests/figures/with_fonts.h"

namespace headscope::figures {
namespace {

HeatmapFigure map_of(std::vector<float> values) {
  HeatmapFigure map;
  map.rows = 1;
  map.cols = std::ssize(values);
  map.values = std::move(values);
  return map;
}

ResolvedScale scale_of(HeatmapFigure map) {
  scale_by_sign(map);
  return resolve_scale(map.scale, map.values).value();
}

double text_height(const Figure& figure, const RenderOptions& options, TextBox::Role role) {
  const FigureLayout placed = layout(figure, options).value();
  for (const TextBox& text : placed.texts)
    if (text.role == role) return text.height;
  return 0;
}

TEST(ScaleBySign, TellsNegativeScoresFromZero) {
  const ResolvedScale scale = scale_of(map_of({-0.36F, 0.0F, 0.9F}));
  EXPECT_EQ(scale.kind, ScaleKind::diverging);
  EXPECT_DOUBLE_EQ(scale.center, 0.0);
  EXPECT_FLOAT_EQ(static_cast<float>(-scale.low), 0.9F);
  EXPECT_NE(scale.color(-0.36), scale.color(0.0));
}

TEST(ScaleBySign, KeepsAllColoursForWhatIsNotNegative) {
  for (const float least : {0.0F, -1e-7F}) {
    const ResolvedScale scale = scale_of(map_of({least, 0.5F, 0.9F}));
    EXPECT_EQ(scale.kind, ScaleKind::sequential);
    EXPECT_DOUBLE_EQ(scale.low, 0.0);
  }
}

TEST(ColorMaps, GrayGoesFromLightToDark) {
  ColorScale wanted;
  wanted.map = ColorMap::gray;
  wanted.low = 0.0;
  wanted.high = 1.0;
  const ResolvedScale scale = resolve_scale(wanted, {}).value();
  std::uint32_t before = 0xffffff;
  for (int i = 0; i <= 10; ++i) {
    const std::uint32_t color = scale.color(i / 10.0);
    EXPECT_EQ(color >> 16, color & 0xff);
    EXPECT_EQ((color >> 8) & 0xff, color & 0xff);
    EXPECT_LT(color, before);
    before = color;
  }
}

TEST(ColorMaps, NamesAreThoseOfTheMaps) {
  for (const ColorMap map : color_maps())
    EXPECT_EQ(parse_color_map(to_string(map)).value(), map);
  const auto wrong = parse_color_map("rainbow");
  ASSERT_FALSE(wrong.ok());
  EXPECT_NE(wrong.error().message.find("viridis"), std::string::npos);
}

TEST(ColorMaps, VikIsAboutTheMiddleAndTheOthersAreNot) {
  Figure figure = map_of({-0.5F, 2.0F});
  set_color_map(figure, ColorMap::vik);
  const ColorScale vik = std::get<HeatmapFigure>(figure).scale;
  const ResolvedScale about = resolve_scale(vik, std::get<HeatmapFigure>(figure).values).value();
  EXPECT_DOUBLE_EQ(about.low, -2.0);
  set_color_map(figure, ColorMap::gray);
  const ResolvedScale along =
      resolve_scale(std::get<HeatmapFigure>(figure).scale, std::get<HeatmapFigure>(figure).values).value();
  EXPECT_DOUBLE_EQ(along.low, -0.5);
}

TEST(Range, CutsADivergingScaleWithoutChangingItsColours) {
  ColorScale wanted;
  wanted.kind = ScaleKind::diverging;
  wanted.low = -1.0;
  wanted.high = 1.0;
  const ResolvedScale whole = resolve_scale(wanted, {}).value();
  for (const double low : {-0.25, 0.0, 0.5}) {
    ColorScale cut = wanted;
    cut.low = low;
    cut.cut = true;
    const ResolvedScale part = resolve_scale(cut, {}).value();
    EXPECT_DOUBLE_EQ(part.low, low);
    EXPECT_DOUBLE_EQ(part.high, 1.0);
    for (const double value : {0.5, 0.7, 1.0})
      EXPECT_EQ(part.color(value), whole.color(value)) << low << " " << value;
    EXPECT_EQ(part.color(-1.0), whole.color(low)); // what is beyond the end has its colour
  }
}

TEST(Range, IsTheOneDrawn) {
  with_fonts();
  Figure figure = samples::head_scores(4, 3);
  set_range(figure, {-0.25, 1.5});
  const FigureLayout placed = layout(figure, {}).value();
  EXPECT_DOUBLE_EQ(placed.heatmaps.at(0).low, -0.25);
  EXPECT_DOUBLE_EQ(placed.heatmaps.at(0).high, 1.5);
}

TEST(Range, IsTwoNumbersTheSmallerFirst) {
  EXPECT_DOUBLE_EQ(parse_range("-0.5, 2").value().low, -0.5);
  for (const char* wrong : {"", ",", "1", "2,1", "1,1", "a,b", "nan,1", "0,inf", "1,2,3", "1;2"})
    EXPECT_FALSE(parse_range(wrong).ok()) << wrong;
}

TEST(Fonts, HaveTheSizeThatIsAskedForAndThenTheUsualOne) {
  with_fonts();
  const Figure figure = samples::head_scores(4, 3);
  RenderOptions large;
  large.font_size = 24;
  const double usual = text_height(figure, {}, TextBox::Role::axis);
  EXPECT_GT(text_height(figure, large, TextBox::Role::axis), 1.7 * usual);
  EXPECT_GT(text_height(figure, large, TextBox::Role::title), 1.7 * text_height(figure, {}, TextBox::Role::title));
  EXPECT_DOUBLE_EQ(text_height(figure, {}, TextBox::Role::axis), usual);
}

TEST(Fonts, ThatAreNotThereAreRefused) {
  with_fonts();
  RenderOptions options;
  options.font = "No Such Family";
  const auto wrong = layout(samples::head_scores(4, 3), options);
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().code, ErrorCode::not_found);
  EXPECT_EQ(wrong.error().field, "font");
  options.font.clear();
  options.font_size = 1;
  EXPECT_EQ(layout(samples::head_scores(4, 3), options).error().field, "font_size");
}

TEST(CellTexts, AreOneForEachCell) {
  with_fonts();
  HeatmapFigure map = samples::head_scores(4, 3);
  map.cell_texts.assign(12, "token");
  EXPECT_TRUE(render_bytes(map, Format::svg, {}, {}).value().find(">token<") != std::string::npos);
  map.cell_texts.pop_back();
  EXPECT_EQ(layout(map, {}).error().field, "cell_texts");
}

} // namespace
} // namespace headscope::figures
