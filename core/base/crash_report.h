// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace headscope {

// Makes a crash (SIGSEGV, SIGABRT, SIGFPE, SIGILL) print to standard error that it is a defect, with the call stack as
// addresses that `addr2line` turns into lines. The process then ends with the signal as it would have. SIGBUS belongs
// to io::report_cut_files().
void report_crashes();

} // namespace headscope
