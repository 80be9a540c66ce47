// SPDX-License-Identifier: GPL-3.0-or-later
// The block-mask language: segments of a text, and rules by which tokens of one kind of segment see those of another.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/mechanisms/sparse.h"
#include "core/mechanisms/text.h"

namespace headscope::mechanisms {

// One kind of segments. A token lies in at most one segment of a kind, and in segments of several kinds.
struct SegmentKind {
  std::string name;
  std::function<std::int64_t(std::int64_t token)> segment_of; // its number, or -1
};

enum class WhichSegment : std::uint8_t { any, same, previous, other };

// Fits where a query lies in a segment of its kind and a key in one of the other, with numbers that fit.
struct MaskRule {
  int query = -1, key = -1; // index of the kind; -1: any token
  WhichSegment which = WhichSegment::any;
  std::optional<std::int64_t> within = {};           // numbers differ by at most so much
  std::vector<std::int64_t> layers = {}, heads = {}; // empty: all
  std::optional<std::int64_t> layer_parity = {};     // 0: even layers, 1: odd ones
  bool sees = true;

  bool is_for(std::int64_t layer, std::int64_t head) const;
};

// The first rule that fits says whether a query sees a key; causality comes on top, and who would see nothing sees
// itself.
class BlockMask {
public:
  // Reads a file as docs/attention-lab.md describes it.
  static Result<BlockMask> read(const std::string& path);

  bool sees(std::int64_t layer, std::int64_t head, std::int64_t query, std::int64_t key) const;
  // The same for some queries and keys [0, queries.end) on a device: bool [query, key].
  at::Tensor sees(std::int64_t layer, std::int64_t head, Range queries, const at::Device& device) const;
  // The same as runs of keys [0, queries.end) for groups of queries that see alike.
  std::vector<QueryGroup> groups(std::int64_t layer, std::int64_t head, Range queries) const;
  // Whether heads may see different things: some rule is for some of them alone.
  bool differs_by_head() const;

private:
  at::Tensor fits(const MaskRule& rule, Range queries) const;

  std::vector<SegmentKind> kinds_;
  std::vector<MaskRule> rules_;
  bool otherwise_ = false;
};

} // namespace headscope::mechanisms
