// SPDX-License-Identifier: GPL-3.0-or-later
#include "kernels/cpu/sparse_attention.h"

#if defined(__x86_64__)
#include <cmath>
#include <vector>

#include "kernels/cpu/attention_avx2.h"
#include "kernels/cpu/sparse_avx2.h"
#include "kernels/cpu/sparse_rows.h"
#endif

namespace headscope::kernels {

#if defined(__x86_64__)
namespace {

using avx2::panel_queries;
using avx2::tile_keys;

constexpr std::int32_t everywhere = std::numeric_limits<std::int32_t>::max();

// Processes one piece, a tile of keys at a time, which may come from many runs.
class PiecePass {
public:
  PiecePass(const SparseProblem& problem, const SparseOutput& out)
      : problem_(problem), scores_(problem.scores), out_(out), d_(scores_.d_head), stride_((d_ + 15) / 16 * 16),
        tile_(floats(tile_keys * panel_queries)), k_(floats(tile_keys * d_)),
        v_(floats(scores_.element == Element::f32 ? 0 : tile_keys * d_)) {
    const std::int64_t panels = (problem.keys.block_q + panel_queries - 1) / panel_queries;
    q_.resize(static_cast<std::size_t>(panels * panel_queries * d_));
    z_.resize(static_cast<std::size_t>(panels * panel_queries * stride_));
    slots_.resize(static_cast<std::size_t>(panels * panel_queries));
    running_.resize(static_cast<std::size_t>(panels));
  }

  void run(const Piece& piece) {
    if (piece.begin == piece.end) return;
    start(piece);
    for (const KeyRun* run = piece.runs; run != piece.runs_end; ++run)
      add_run(piece, *run);
    if (count_ > 0) add_tile(piece);
    finish(piece);
  }

private:
  static std::vector<float> floats(std::int64_t count) { return std::vector<float>(static_cast<std::size_t>(count)); }

  void copy(const void* data, std::int64_t at, float* to) const {
    if (scores_.element == Element::f32) {
      std::copy_n(static_cast<const float*>(data) + at, d_, to);
      return;
    }
    for (std::int64_t i = 0; i < d_; ++i)
      to[i] = element_at(data, scores_.element, at + i);
  }

  void start(const Piece& piece) {
    count_ = 0;
    panels_ = (piece.end - piece.begin + panel_queries - 1) / panel_queries;
    std::fill(z_.begin(), z_.end(), 0.0f);
    first_ = problem_.slot(piece.query(piece.begin)), last_ = problem_.slot(piece.query(piece.end - 1));
    single_ = piece.end - piece.begin == 1;
    if (single_) copy(scores_.q, piece.head.query_at(scores_, piece.query(piece.begin)), q_.data());
    for (std::int64_t row = 0; row < panels_ * panel_queries && !single_; ++row) {
      const std::int64_t query = piece.query(std::min(piece.begin + row, piece.end - 1)); // the last one is repeated
      slots_[static_cast<std::size_t>(row)] = static_cast<std::int32_t>(problem_.slot(query));
      float* const panel = q_.data() + row / panel_queries * panel_queries * d_ + row % panel_queries;
      const std::int64_t at = piece.head.query_at(scores_, query);
      for (std::int64_t i = 0; i < d_; ++i)
        panel[i * panel_queries] = element_at(scores_.q, scores_.element, at + i);
    }
    for (std::int64_t panel = 0; panel < panels_; ++panel)
      running_[static_cast<std::size_t>(panel)].clear();
  }

  // Adds the keys of a run that any query of the piece may see.
  void add_run(const Piece& piece, const KeyRun& run) {
    const std::int64_t end = std::min<std::int64_t>(run.end, last_ + 1);
    std::int64_t key = std::max<std::int64_t>(run.begin, scores_.variant.first_key(first_, piece.head.key_begin));
    if (problem_.window > 0 && key >= piece.head.key_begin + problem_.sinks)
      key = std::max(key, first_ - problem_.window + 1);
    for (; key < end; ++key) {
      const auto at = static_cast<std::size_t>(count_++);
      keys_[at] = static_cast<std::int32_t>(key);
      reach_[at] = reach(key, piece.head.key_begin);
      if (count_ == tile_keys) add_tile(piece);
    }
  }

  // How many slots from its own on a key is seen, by the windows.
  std::int32_t reach(std::int64_t key, std::int64_t key_begin) const {
    std::int64_t least = everywhere;
    if (scores_.variant.window > 0) least = std::min(least, scores_.variant.window);
    if (problem_.window > 0 && key >= key_begin + problem_.sinks) least = std::min(least, problem_.window);
    return static_cast<std::int32_t>(least);
  }

  // A row where it is, if it consists of floats, else a copy.
  const float* as_floats(const void* data, std::int64_t at, float* room) const {
    if (scores_.element == Element::f32) return static_cast<const float*>(data) + at;
    copy(data, at, room);
    return room;
  }

  void add_tile(const Piece& piece) {
    std::int64_t least_end = std::numeric_limits<std::int64_t>::max(); // of the keys' reaches
    for (std::int64_t i = 0; i < count_; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const std::int64_t key = keys_[at];
      const std::int64_t k_at = piece.head.key_at(scores_, key);
      if (single_)
        k_rows_[at] = as_floats(scores_.k, k_at, k_.data() + i * d_);
      else
        copy(scores_.k, k_at, k_.data() + i * d_); // side by side, which leaves registers for sums
      v_rows_[at] = as_floats(problem_.v, piece.value_at(problem_, key), v_.data() + i * d_);
      least_end = std::min(least_end, key + reach_[at]);
    }
    if (single_) add_to_single(first_);
    for (std::int64_t panel = 0; panel < panels_ && !single_; ++panel) {
      const std::int32_t* const slots = slots_.data() + panel * panel_queries;
      const std::int64_t first = slots[0], last = slots[panel_queries - 1];
      if (keys_[0] > last) continue;
      const bool whole = keys_[static_cast<std::size_t>(count_ - 1)] <= first && least_end > last;
      add_to_panel(panel, slots, whole);
    }
    count_ = 0;
  }

  void add_to_single(std::int64_t at) {
    avx2::row_scores(q_.data(), d_, k_rows_, count_, static_cast<float>(scores_.variant.scale), tile_.data());
    if (scores_.variant.softcap > 0.0)
      avx2::soft_cap(tile_.data(), count_, static_cast<float>(scores_.variant.softcap));
    for (std::int64_t i = 0; i < count_; ++i) // runs are cut to what it sees, but for one that begins with sinks
      if (at - keys_[i] >= reach_[i]) tile_[static_cast<std::size_t>(i)] = avx2::hidden_score;
    avx2::absorb_row(tile_.data(), count_, running_[0]);
    avx2::add_row_values(tile_.data(), v_rows_, count_, d_, running_[0].factor[0], z_.data());
  }

  void add_to_panel(std::int64_t panel, const std::int32_t* slots, bool whole) {
    avx2::key_scores(q_.data() + panel * panel_queries * d_, d_, k_.data(), count_,
                     static_cast<float>(scores_.variant.scale), tile_.data());
    if (scores_.variant.softcap > 0.0)
      avx2::soft_cap(tile_.data(), count_ * panel_queries, static_cast<float>(scores_.variant.softcap));
    if (!whole) avx2::hide(tile_.data(), keys_, reach_, count_, slots);
    avx2::RunningSoftmax& running = running_[static_cast<std::size_t>(panel)];
    avx2::absorb(tile_.data(), count_, running);
    avx2::add_values(tile_.data(), v_rows_, count_, d_, running.factor, z_.data() + panel * panel_queries * stride_,
                     stride_);
  }

  void finish(const Piece& piece) {
    for (std::int64_t place = piece.begin; place < piece.end; ++place) {
      const std::int64_t row = place - piece.begin, query = piece.query(place);
      const avx2::RunningSoftmax& running = running_[static_cast<std::size_t>(row / panel_queries)];
      const float sum = running.sum[row % panel_queries], inverse = sum > 0.0f ? 1.0f / sum : 0.0f;
      for (std::int64_t i = 0; i < d_; ++i)
        put_element(out_.z, scores_.element, piece.z_at(out_, query) + i,
                    z_[static_cast<std::size_t>(row * stride_ + i)] * inverse);
      if (!out_.lse) continue;
      out_.lse[piece.lse_at(problem_, query)] =
          sum > 0.0f ? running.largest[row % panel_queries] + std::log(sum) : -std::numeric_limits<float>::infinity();
    }
  }

  const SparseProblem& problem_;
  const AttentionProblem& scores_;
  const SparseOutput& out_;
  std::int64_t d_, stride_, panels_ = 0, count_ = 0, first_ = 0, last_ = 0; // first, last: slots of the piece
  std::vector<float> q_, z_, tile_, k_, v_;
  std::vector<std::int32_t> slots_;
  std::vector<avx2::RunningSoftmax> running_;
  std::int32_t keys_[tile_keys], reach_[tile_keys];
  const float *k_rows_[tile_keys], *v_rows_[tile_keys];
  bool single_ = false; // the piece has one query
};

} // namespace
#endif

void sparse_attention(const SparseProblem& problem, const SparseOutput& out, std::int64_t begin, std::int64_t end) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    PiecePass pass(problem, out);
    for (std::int64_t number = begin; number < end; ++number)
      pass.run(Piece(problem, number));
    return;
  }
#endif
  sparse_attention_reference(problem, out, begin, end);
}

} // namespace headscope::kernels
