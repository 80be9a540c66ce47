// SPDX-License-Identifier: GPL-3.0-or-later
// A mechanism that goes wrong as its option `fail` says, and modules whose descriptions are wrong; see CMakeLists.txt.
#include <limits>
#include <stdexcept>

#include <ATen/ATen.h>

#include "core/mechanisms/mechanism.h"
#include "core/model/config.h"
#include "plugins/sdk/plugin.h"

namespace {

using namespace headscope;
using namespace headscope::mechanisms;

constexpr float nan = std::numeric_limits<float>::quiet_NaN();

enum Fail : std::int64_t {
  no,
  construct,
  throws,
  throws_other,
  shape,
  not_a_number,
  no_key,
  later,
  weights,
  model,
  form
};

class Odd : public Mechanism {
public:
  explicit Odd(const OptionValues& options) : fail_(options.at("fail")) {
    if (fail_ == construct) throw std::runtime_error("the moon is wrong");
  }

  Status fits(const ModelConfig& config) const override {
    if (fail_ == model)
      return make_error(ErrorCode::unsupported, "takes no model of " + std::to_string(config.n_layers) + " layers");
    return {};
  }

  TileFunction open(const Text& text) const override {
    return [&text, this](Range queries) {
      if (fail_ == throws) throw std::runtime_error("there is nothing to attend to");
      if (fail_ == throws_other) throw 7;
      Tile tile = scores_of_all(text, queries);
      at::Tensor& scores = tile.scores;
      if (fail_ == shape) scores = scores.narrow(1, 0, 1).repeat({2, 1, 1});
      if (fail_ == not_a_number) scores = scores.index_fill(1, at::zeros({1}, at::kLong), nan);
      if (fail_ == no_key) scores = scores.index_fill(1, at::zeros({1}, at::kLong), not_visited);
      if (fail_ == later) scores = scores.clamp_min(-50.0);
      if (fail_ == form) scores = scores * 1.01;
      tile.are_weights = fail_ == weights;
      return tile;
    };
  }

  Rows reference(const PlainHead& head) const override {
    return softmax_over(head, [](std::int64_t, std::int64_t) { return true; });
  }

private:
  std::int64_t fail_;
};

MechanismDefinition odd() {
  MechanismDefinition definition = {
      .info = {.id = "odd",
               .title = "full attention that goes wrong",
               .what = "every token",
               .cost = "O(T²)",
               .reference = "a test",
               .equals_full = "fail = no",
               .training = "none",
               .differentiable = false,
               .options = {{.name = "fail",
                            .value = 0,
                            .help = "how",
                            .choices = {"no", "construct", "throw", "throw_other", "shape", "nan", "no_key", "later",
                                        "weights", "model", "form"}},
                           {.name = "width", .value = 3, .least = 1, .most = 9, .help = "nothing"},
                           {.name = "file", .value = "", .help = "nothing", .is_file = true}}},
      .make = make<Odd>};
#if defined(TEST_CLASH)
  definition.info.id = "window";
#elif defined(TEST_BAD_OPTIONS)
  definition.info.options[1].value = 12;
#endif
  return definition;
}

} // namespace

HEADSCOPE_MECHANISM_PLUGIN(odd())
