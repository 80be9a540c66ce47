// SPDX-License-Identifier: GPL-3.0-or-later
// An attention plan: which mechanism computes which heads. Layers without one are computed by default_attention(), at
// its speed; heads without one in other layers attend fully.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/engine/attention_needs.h"
#include "core/mechanisms/spec.h"
#include "core/model/config.h"

namespace headscope::mechanisms {

// The heads of a layer that one mechanism computes.
struct PlanPart {
  std::shared_ptr<const MechanismInfo> info;
  std::shared_ptr<const Mechanism> mechanism;
  std::vector<std::int64_t> heads;
};

class AttentionPlan : public LayeredAttention {
public:
  // Reads specs joined by ';'. Returns invalid_argument where one names no head of the model or two the same,
  // unsupported where a mechanism cannot compute heads of this model.
  static Result<std::shared_ptr<const AttentionPlan>> parse(const std::string& text, const ModelConfig& config,
                                                            const MechanismList& list);
  // Makes a plan of parts by layer, e.g. for tests.
  AttentionPlan(std::string text, std::vector<std::vector<PlanPart>> parts, std::int64_t n_heads)
      : text_(std::move(text)), parts_(std::move(parts)), n_heads_(n_heads) {}

  const char* name() const override { return text_.c_str(); }
  LayerNeeds needs(int layer) const override;
  // The parts of a layer; empty: full attention.
  const std::vector<PlanPart>& parts(int layer) const { return parts_.at(static_cast<std::size_t>(layer)); }

  at::Tensor run_rows(const AttentionInput& input, const AttentionRows& rows) const override;

private:
  // Computes z without the pattern, by the keys that each tile visits.
  at::Tensor run_unseen(const AttentionInput& input, const AttentionRows& rows) const;
  // Computes whole rows of the pattern, for whoever reads or edits it.
  at::Tensor run_seen(const AttentionInput& input, const AttentionRows& rows) const;

  std::string text_;
  std::vector<std::vector<PlanPart>> parts_; // [layer]
  std::int64_t n_heads_;
};

// The tokens of one row of the batch for some heads, and which queries of the run they are.
struct RowText {
  Text text;
  std::int64_t begin = 0, count = 0; // of the run's queries: real tokens
  std::int64_t first = 0;            // the position of the first of them
};
RowText row_text(const AttentionInput& input, const AttentionRows& rows, std::int64_t row,
                 const std::vector<std::int64_t>& heads);

// A row of the batch for one part of the plan, opened once for all tiles. The text must stay where it is.
struct OpenPart {
  OpenPart(const AttentionInput& input, const AttentionRows& rows, std::int64_t row, const PlanPart& part);
  OpenPart(const OpenPart&) = delete;

  RowText row; // as the mechanism prepared it
  TileFunction tile;
  OutputFunction output; // in place of tiles, where no pattern is asked for; may be null
};

// Calls `tile` for ranges of the text's query positions, each small enough that its scores fit into a few megabytes.
void for_each_tile(const RowText& row, const std::function<void(Range queries)>& tile);

} // namespace headscope::mechanisms
