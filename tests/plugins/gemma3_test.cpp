// SPDX-License-Identifier: GPL-3.0-or-later
// Detectors on Gemma 3 270M against transformers: norms after the MLP, sliding windows, one K/V head, BOS.
#include "tests/plugins/packaged_model.h"

namespace headscope {
namespace {

class Gemma3 : public test::PackagedModelTest {
protected:
  static void SetUpTestSuite() { load("gemma3-270m"); }
};

TEST_F(Gemma3, Stripes) { expect_stripes(); }
TEST_F(Gemma3, Sinks) { expect_sinks(); }
TEST_F(Gemma3, Successors) { expect_successors("successor", {}); }
TEST_F(Gemma3, SuccessorsWithNormsAndResidual) {
  expect_successors("successor_ln2_residual", {{"ln2", "on"}, {"residual", "on"}});
}

} // namespace
} // namespace headscope
