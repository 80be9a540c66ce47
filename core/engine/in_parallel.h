// SPDX-License-Identifier: GPL-3.0-or-later
// Shares the pieces of a kernel's work between threads.
#pragma once

#include <cstdint>
#include <functional>

namespace headscope {

// Calls work(begin, end) for all numbers below `count`, each thread taking the next `at_once` when it is done: as many
// threads as torch uses, but not torch's own, which are only for code that is compiled for OpenMP (at::parallel_for
// runs serially elsewhere).
void in_parallel(std::int64_t count, std::int64_t at_once,
                 const std::function<void(std::int64_t begin, std::int64_t end)>& work);

} // namespace headscope
