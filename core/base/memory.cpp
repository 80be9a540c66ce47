// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/base/memory.h"

#include <limits>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace headscope {

void keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 32 << 20); // the largest that glibc accepts
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
#endif
}

} // namespace headscope
