// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace headscope {

// A program that is started with descriptors 0, 1 or 2 closed gives their numbers to the next files that it opens, and
// what it says to the user goes into a result. The closed ones are opened on /dev/null, in the direction in which
// nothing can be done with them, so that writing to them stays an error. Call first of all in main().
void open_standard_streams();

} // namespace headscope
