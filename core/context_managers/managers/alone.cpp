// SPDX-License-Identifier: GPL-3.0-or-later
// Segments without any memory: what every manager has to be better than.
#include <algorithm>

#include "core/context_managers/context_manager.h"

namespace headscope::contexts {
namespace {

class Nothing : public Memory {
public:
  explicit Nothing(std::int64_t sensory) : sensory_(sensory) {}
  Result<Surroundings> around(const Ids&, const Ids& prior) override {
    Surroundings out;
    const std::int64_t kept = std::min(sensory_, std::ssize(prior));
    if (kept > 0) out.readings.front().before.push_back({Ids(prior.end() - kept, prior.end()), {}});
    out.recall.assign(static_cast<std::size_t>(stored_), 0.0);
    return out;
  }
  Status store(const Stored&) override {
    ++stored_;
    return {};
  }

private:
  std::int64_t sensory_, stored_ = 0;
};

class Alone : public ContextManager {
public:
  explicit Alone(const mechanisms::OptionValues& values) : sensory_(values.at("sensory")) {}
  std::unique_ptr<Memory> open(const Reader&) const override { return std::make_unique<Nothing>(sensory_); }

private:
  std::int64_t sensory_;
};

} // namespace

extern const ManagerDefinition alone = {
    .info = {.id = "alone",
             .title = "Segments alone",
             .what = "nothing is stored; a segment is read behind the last `sensory` tokens before it",
             .cost = "O(T L)",
             .reference = "the floor of every comparison",
             .equals_full = "a text of one segment",
             .training = "none",
             .options = {{.name = "sensory",
                          .value = 0,
                          .least = 0,
                          .help = "tokens of the segment before that are read again"}}},
    .make = make<Alone>};

} // namespace headscope::contexts
