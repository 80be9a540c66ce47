// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace headscope {

// From here on a crash (SIGSEGV, SIGABRT, SIGFPE, SIGILL) says on standard error that it is a defect, and where: the
// functions that were being called, as addresses that `addr2line` turns into lines. The process then ends of the signal
// as it would have. SIGBUS belongs to io::report_cut_files().
void report_crashes();

} // namespace headscope
