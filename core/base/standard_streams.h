// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace headscope {

// A program started with descriptors 0, 1 or 2 closed gives their numbers to the next files that it opens, so that its
// messages could end up in a result. This opens the closed ones on /dev/null, in the direction in which they cannot be
// used, so that writing to them stays an error. Call it first in main().
void open_standard_streams();

} // namespace headscope
