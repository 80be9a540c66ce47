// SPDX-License-Identifier: GPL-3.0-or-later
// How precision and recall of the detectors fall as the noise on the weights grows.
//
//   planted_noise_curve FOLDER [LAYOUTS]
//
// Writes planted-noise.csv and, with Qt, planted-noise.png into a folder: docs/ holds what it wrote with 3 layouts.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <limits>

#include <ATen/Parallel.h>

#ifdef HEADSCOPE_FIGURES
#include "app/figures/figure.h"
#include "app/figures/runtime.h"
#endif
#include "tests/planted/evaluate.h"

using namespace headscope;
using namespace headscope::test;

namespace {

constexpr std::array noise_levels = {0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 1.0, 1.4};

struct Count {
  int found = 0, planted = 0, both = 0;
  double precision() const { return found == 0 ? std::numeric_limits<double>::quiet_NaN() : 1.0 * both / found; }
  double recall() const { return 1.0 * both / planted; }
};

using Counts = std::map<std::string, Count>; // by detector

Counts measure(double noise, int layouts) {
  Counts counts;
  for (int layout = 0; layout < layouts; ++layout) {
    plant::PlantOptions options;
    options.seed = static_cast<std::uint64_t>(layout);
    options.layers = 3 + layout % 2;
    options.heads = 8;
    options.kv_heads = layout % 3 == 0 ? 8 : layout % 3 == 1 ? 2 : 1;
    options.noise = noise;
    const PlantedModel model(options);
    for (const auto& detector : builtin_detectors()) {
      const auto kind = kind_of(*detector);
      if (!kind) continue;
      const HeadSet found = heads_of(detect(model.engine(), *detector)), planted = model.planted(*kind);
      Count& count = counts[detector->id()];
      count.found += static_cast<int>(found.size());
      count.planted += static_cast<int>(planted.size());
      for (const auto& head : found)
        count.both += static_cast<int>(planted.count(head));
    }
  }
  return counts;
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return value == value ? text : ""; // nothing found: no precision
}

Status write(const std::string& folder, const std::vector<Counts>& curve) {
  const std::string path = folder + "/planted-noise.csv";
  std::ofstream out(path);
  out << "noise,detector,planted,found,right,precision,recall\n";
  for (std::size_t i = 0; i < curve.size(); ++i)
    for (const auto& [id, count] : curve[i])
      out << number(noise_levels[i]) << ',' << id << ',' << count.planted << ',' << count.found << ',' << count.both
          << ',' << number(count.precision()) << ',' << number(count.recall()) << '\n';
  out.close();
  if (!out) return make_error(ErrorCode::io, "could not be written", path);
#ifdef HEADSCOPE_FIGURES
  const figures::FigureRuntime runtime;
  figures::LineFigure figure;
  figure.title = "Detectors on planted heads";
  figure.subtitle = "F1, the harmonic mean of precision and recall, over all layouts";
  figure.x_axis = "noise on each weight / root mean square of its matrix";
  figure.y_axis = "F1";
  figure.rules = {{0.1, "documented noise", true}};
  for (const auto& [id, first] : curve.front()) {
    figures::Series series;
    series.name = id;
    for (std::size_t i = 0; i < curve.size(); ++i) {
      const Count& count = curve[i].at(id);
      series.x.push_back(noise_levels[i]);
      series.y.push_back(2.0 * count.both / (count.found + count.planted));
    }
    figure.series.push_back(std::move(series));
  }
  figures::RenderOptions options;
  options.overwrite = true;
  options.scale = 1;
  HS_TRY(figures::render(figure, folder + "/planted-noise.png", figures::Format::png, options, {}));
#endif
  return {};
}

} // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: planted_noise_curve FOLDER [LAYOUTS]\n");
    return 2;
  }
  at::set_num_threads(1);
  try {
    std::vector<Counts> curve;
    for (const double noise : noise_levels) {
      curve.push_back(measure(noise, argc > 2 ? std::atoi(argv[2]) : 3));
      std::printf("noise %g\n", noise);
      for (const auto& [id, count] : curve.back())
        std::printf("  %-12s precision %6s recall %6s\n", id.c_str(), number(count.precision()).c_str(),
                    number(count.recall()).c_str());
      std::fflush(stdout);
    }
    const Status status = write(argv[1], curve);
    if (status.ok()) return 0;
    std::fprintf(stderr, "%s\n", status.error().to_string().c_str());
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "%s\n", exception.what());
  }
  return 1;
}
