// SPDX-License-Identifier: GPL-3.0-or-later
// Planted embeddings hold the place in a list modulo 10: the probe must read it, on numbers and on other lists.
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "tests/planted/evaluate.h"

namespace headscope::test {
namespace {

double number_of(const DetectorResult& result, const std::string& name) {
  const auto* value = store::find_attribute(result.findings, name);
  return value && std::holds_alternative<double>(*value) ? std::get<double>(*value) : -1.0;
}

TEST(PlantedFeatures, TheProbeReadsThePlaceModulo10) {
  at::set_num_threads(1);
  plant::PlantOptions options;
  options.seed = 11;
  const PlantedModel model(options);
  const DetectorResult result = detect(model.engine(), *make_successor_detector());
  EXPECT_EQ(number_of(result, "probe_numbers, other tens"), 1.0);
  EXPECT_EQ(number_of(result, "probe_letters"), 1.0);
  EXPECT_EQ(number_of(result, "probe_number_words"), 1.0);
  EXPECT_GE(number_of(result, "shift"), 0.0); // testable: numbers are tokens
}

} // namespace
} // namespace headscope::test
