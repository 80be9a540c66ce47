// SPDX-License-Identifier: GPL-3.0-or-later
// Figures that the tests draw. Values follow formulas that a reader in another language can repeat.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "app/figures/figure.h"

namespace headscope::figures::samples {

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
constexpr float inf = std::numeric_limits<float>::infinity();

inline Provenance provenance() {
  Provenance p;
  p.add("model", "SmolLM2-135M").add("sha256", "5af571cbf074e6d21a03528d2330792e532ca608f24ac70a143f6b369968ab8c");
  p.add("prompt", "naïve <b> & \"日本\" \xF0\x9F\x98\x80").add("command", "headscope attention --head 3.1\nline two");
  p.add("a key: with blanks", "x").add("command", "a second entry of one key").add("Description", "not the subtitle");
  return p;
}

// (31 row + 17 col) mod 101, in hundredths.
inline float formula(std::int64_t row, std::int64_t col) {
  return static_cast<float>((row * 31 + col * 17) % 101) / 100.0F;
}

inline HeatmapFigure formula_map(std::int64_t rows, std::int64_t cols) {
  HeatmapFigure map;
  map.title = "Formula";
  map.rows = rows;
  map.cols = cols;
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < cols; ++c)
      map.values.push_back(formula(r, c));
  map.scale.low = 0;
  map.scale.high = 1;
  map.scale.label = "value";
  return map;
}

// Resembles a head that attends to its own neighbourhood, to the first token and n/2 tokens back.
inline HeatmapFigure attention_map(std::int64_t n) {
  HeatmapFigure map;
  map.title = "Attention of head 3.1";
  map.subtitle = "SmolLM2-135M, softmax(q k / sqrt(d_head)), mean over 1 prompt of " + std::to_string(n) + " tokens";
  map.rows = map.cols = n;
  map.x_axis = "key token";
  map.y_axis = "query token";
  map.causal_mask = true;
  map.scale.label = "attention weight";
  map.scale.low = 0;
  map.scale.high = 1;
  map.values.assign(static_cast<std::size_t>(n * n), 0.0F);
  for (std::int64_t r = 0; r < n; ++r) {
    float* row = map.values.data() + r * n;
    float sum = 0;
    for (std::int64_t c = 0; c <= r; ++c) {
      row[c] = 1.0F / (1.0F + static_cast<float>((r - c) * (r - c)));
      if (c == 0) row[c] += 1;
      if (r >= n / 2 && c == r - n / 2 + 1) row[c] += 2;
      sum += row[c];
    }
    for (std::int64_t c = 0; c <= r; ++c)
      row[c] /= sum;
  }
  return map;
}

inline std::vector<std::string> hard_tokens() {
  return {"<|begin_of_text|>",
          " the",
          "\n",
          "\t",
          " ",
          "    ",
          "مرحبا",
          "日本語",
          "\xF0\x9F\x98\x80",
          "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7",
          "e\xCC\x81",
          "\xE2\x80\x8D",
          "\xE2",
          "\xE6\x97",
          "שלום",
          "antidisestablishmentarianism",
          "",
          "\xE2\x80\xAE"
          "abc",
          "ﬁ",
          "a\r\nb",
          "\x07",
          "한국어",
          "ไทย",
          "<b>&amp;"};
}

inline std::vector<std::string> words(std::int64_t n) {
  static const std::vector<std::string> some = {" the", " cat", " sat",           " on", " a", " mat",
                                                ".",    "\n",   " Constantinople"};
  std::vector<std::string> result;
  for (std::int64_t i = 0; i < n; ++i)
    result.push_back(some[static_cast<std::size_t>(i) % some.size()]);
  return result;
}

inline HeatmapFigure with_tokens(HeatmapFigure map, const std::vector<std::string>& tokens) {
  map.x_ticks = map.y_ticks = tokens;
  return map;
}

// The change of a metric, layer x head, largest by far at head 18.6.
inline HeatmapFigure head_scores(std::int64_t layers, std::int64_t heads) {
  HeatmapFigure map;
  map.title = "Change of logit difference with each head ablated (mean)";
  map.subtitle = "SmolLM2-135M, mean over 32 prompts, phase: all";
  map.rows = layers;
  map.cols = heads;
  map.x_axis = "head";
  map.y_axis = "layer";
  for (std::int64_t l = 0; l < layers; ++l)
    for (std::int64_t h = 0; h < heads; ++h)
      map.values.push_back(0.8F * std::sin(static_cast<float>(l * 13 + h * 7)) * std::cos(static_cast<float>(l * h)));
  if (layers > 18 && heads > 6) {
    map.values[static_cast<std::size_t>(18 * heads + 6)] = -2.4F;
    map.marks = {{18, 6, "18.6"}, {19, 2, "19.2"}, {2, 0, ""}};
  }
  map.scale.kind = ScaleKind::diverging;
  map.scale.label = "ablated minus clean";
  map.scale.units = "logits";
  map.square_cells = false;
  map.annotate_values = true;
  return map;
}

// Five layers of four heads with edges of both signs, but none at nodes of the last layer.
inline GraphFigure graph() {
  GraphFigure figure;
  figure.title = "Circuit: planted";
  figure.subtitle = "a test, edges of |score| >= 0.1";
  figure.label = "change of logit difference";
  figure.units = "logit";
  figure.nodes.push_back({"input", NodeKind::input, 0, 0, 40, 18, false, false});
  for (int layer = 0; layer < 5; ++layer) {
    figure.bands.push_back({"layer " + std::to_string(layer), -30.0 * (layer + 1)});
    for (int head = 0; head < 4; ++head)
      figure.nodes.push_back({std::to_string(layer) + "." + std::to_string(head), NodeKind::head, 60.0 * head - 90,
                              -30.0 * (layer + 1), 40, 18, layer == 4, layer == 2 && head == 1});
  }
  for (std::size_t i = 1; i + 8 < figure.nodes.size(); ++i) {
    figure.edges.push_back({0, i, std::sin(static_cast<double>(i))});
    figure.edges.push_back({i, 9 + i % 8, 0.5 * std::cos(static_cast<double>(i) * 1.7)});
  }
  return figure;
}

inline PanelFigure panels(std::size_t count, std::int64_t n) {
  PanelFigure figure;
  figure.title = "Attention of the heads with the highest induction scores";
  figure.subtitle = "SmolLM2-135M, one prompt";
  for (std::size_t i = 0; i < count; ++i) {
    HeatmapFigure map = attention_map(n);
    map.title = "Head " + std::to_string(i + 3) + "." + std::to_string(i % 9);
    map.subtitle = "score 0." + std::to_string(90 - i);
    figure.panels.push_back(std::move(map));
  }
  return figure;
}

inline BarFigure bars() {
  BarFigure figure;
  figure.title = "Accuracy with heads ablated";
  figure.subtitle = "Gemma 3 270M, 64 prompts; whiskers: standard error";
  figure.x_axis = "task";
  figure.y_axis = "accuracy";
  figure.categories = {"copy", " recall", "日本語 to English", "a very long category name indeed", "sort"};
  figure.series.push_back({"clean", {}, {0.95, 0.8, 0.7, 0.62, 0.5}, {0.02, 0.05, 0.05, 0.06, 0.04}, {}});
  figure.series.push_back({"ablated", {}, {0.35, 0.6, 0.72, std::nan(""), 0.1}, {0.02, 0.05, 0.05, 0.06, 0.04}, {}});
  figure.rules.push_back({0.5, "chance", false});
  return figure;
}

inline BarFigure histogram() {
  BarFigure figure;
  figure.title = "Distribution of stripe scores";
  figure.x_axis = "score";
  figure.y_axis = "heads";
  for (int i = 0; i <= 20; ++i)
    figure.bin_edges.push_back(i / 20.0);
  Series counts;
  for (int i = 0; i < 20; ++i)
    counts.y.push_back(std::floor(120 * std::exp(-i / 3.0)) + (i == 18 ? 6 : 0));
  figure.series.push_back(counts);
  figure.rules.push_back({0.4, "threshold 0.4", true});
  return figure;
}

inline LineFigure lines() {
  LineFigure figure;
  figure.title = "Logit difference by ablated heads";
  figure.subtitle = "mean of 5 random orders; bands: standard deviation";
  figure.x_axis = "heads ablated";
  figure.y_axis = "logit difference (logits)";
  for (int s = 0; s < 3; ++s) {
    Series series;
    series.name = s == 0 ? "highest score first" : s == 1 ? "random" : "lowest score first";
    for (int i = 0; i <= 20; ++i) {
      series.x.push_back(i);
      series.y.push_back(s == 1 && i == 10 ? std::nan("") : 3.5 * std::exp(-i * (s == 0 ? 0.4 : s == 1 ? 0.08 : 0.01)));
      series.error_low.push_back(0.15);
    }
    figure.series.push_back(series);
  }
  figure.rules.push_back({0, "no preference", false});
  figure.rules.push_back({3.5, "clean", false});
  return figure;
}

} // namespace headscope::figures::samples
