// SPDX-License-Identifier: GPL-3.0-or-later
// Rows that enter a run together: at which layer, and from what.
#pragma once

#include <cstdint>
#include <utility>
#include <variant>
#include <vector>

#include <ATen/core/Tensor.h>

namespace headscope {

class RowGroup {
public:
  struct Tokens {}; // the tokens of those batch rows that no other group has
  // Activations of an earlier run.
  struct Residual {
    at::Tensor resid; // resid_pre of the layer, [row, pos, d_model]
    // The block's z [row, pos, head_index, d_head], so that the block begins at its output matrix. Undefined: it begins
    // at its first norm.
    at::Tensor z = {};
  };
  // Copies of rows of the same run: variants are computed along with the prompts that they are variants of.
  struct Copies {
    std::vector<std::int64_t> of; // the row that each copy is made of, already entered; a copy has that row's padding
    bool at_z = false;            // copied at the block's z; else at its resid_pre
  };

  static RowGroup from_tokens() { return {-1, Tokens{}}; }
  static RowGroup from_residual(int layer, Residual residual) { return {layer, std::move(residual)}; }
  static RowGroup from_residual(int layer, at::Tensor resid) { return {layer, Residual{std::move(resid)}}; }
  static RowGroup copies(int layer, std::vector<std::int64_t> of, bool at_z = false) {
    return {layer, Copies{std::move(of), at_z}};
  }

  int layer() const { return layer_; } // the first block that these rows pass; -1: they pass the embedding
  // Returns null where the rows do not enter from tokens.
  const Tokens* tokens() const { return std::get_if<Tokens>(&from_); }
  const Residual* residual() const { return std::get_if<Residual>(&from_); }
  const Copies* copied() const { return std::get_if<Copies>(&from_); }
  // Whether the rows enter at z and so skip their first block's attention.
  bool at_z() const {
    if (residual()) return residual()->z.defined();
    return copied() && copied()->at_z;
  }

private:
  RowGroup(int layer, std::variant<Tokens, Residual, Copies> from) : layer_(layer), from_(std::move(from)) {}

  int layer_;
  std::variant<Tokens, Residual, Copies> from_;
};

} // namespace headscope
