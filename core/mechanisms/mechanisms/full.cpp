// SPDX-License-Identifier: GPL-3.0-or-later
#include <ATen/ATen.h>

#include "core/mechanisms/mechanism.h"

namespace headscope::mechanisms {
namespace {

class Full : public Mechanism {
public:
  explicit Full(const OptionValues&) {}

  TileFunction open(const Text& text) const override {
    return [&text](Range queries) { return scores_of_all(text, queries); };
  }

  Rows reference(const PlainHead& head) const override {
    return softmax_over(head, [](std::int64_t, std::int64_t) { return true; });
  }
};

} // namespace

extern const MechanismDefinition full = {.info = {.id = "full",
                                                  .title = "full attention",
                                                  .what = "every earlier token and itself, as the model was made",
                                                  .cost = "O(T²)",
                                                  .reference = "arXiv 1706.03762",
                                                  .equals_full = "always",
                                                  .training = "none"},
                                         .make = make<Full>};

} // namespace headscope::mechanisms
