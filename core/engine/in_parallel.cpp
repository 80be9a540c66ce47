// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/in_parallel.h"

#include <algorithm>
#include <memory>
#include <mutex>

#include <ATen/Parallel.h>

#include "core/base/workers.h"

namespace headscope {

void in_parallel(std::int64_t count, std::int64_t at_once,
                 const std::function<void(std::int64_t begin, std::int64_t end)>& work) {
  static std::mutex one_at_a_time;
  static std::unique_ptr<Workers> workers;
  static int wanted = 0;
  const std::unique_lock<std::mutex> lock(one_at_a_time, std::try_to_lock);
  const int threads = at::get_num_threads();
  if (!lock || threads == 1 || count <= at_once) return work(0, count);
  if (threads != wanted) workers = std::make_unique<Workers>(wanted = threads);
  workers->run(static_cast<std::uint64_t>((count + at_once - 1) / at_once), [&](std::uint64_t part) {
    const std::int64_t begin = static_cast<std::int64_t>(part) * at_once;
    work(begin, std::min(begin + at_once, count));
  });
}

} // namespace headscope
