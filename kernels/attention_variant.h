// SPDX-License-Identifier: GPL-3.0-or-later
// The differences between kinds of attention, as one small value that every kernel uses (the idea of FlashInfer's
// variants): which keys a query may see, and how a dot product is changed before the softmax.
#pragma once

#include <cmath>
#include <cstdint>

#if defined(__CUDACC__)
#define HEADSCOPE_HOST_DEVICE __host__ __device__
#else
#define HEADSCOPE_HOST_DEVICE
#endif

namespace headscope::kernels {

struct AttentionVariant {
  double scale = 1.0;
  double softcap = 0.0;          // scores become softcap tanh(score / softcap); 0: none
  std::int64_t window = 0;       // a query sees this many keys, its own among them; 0: all up to its own
  std::int64_t query_offset = 0; // slot of the first query (tokens already in the KV cache)

  // Queries see the keys of slots first_key(slot, key_begin) to slot; key_begin is the number of left-padding slots of
  // their row.
  HEADSCOPE_HOST_DEVICE std::int64_t first_key(std::int64_t slot, std::int64_t key_begin) const {
    const std::int64_t oldest = window > 0 ? slot - window + 1 : 0;
    return oldest > key_begin ? oldest : key_begin;
  }

  double score(double dot) const { return softcap > 0.0 ? softcap * std::tanh(dot * scale / softcap) : dot * scale; }
};

} // namespace headscope::kernels
