// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/base/standard_streams.h"

#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

namespace headscope {

void open_standard_streams() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    // Lower descriptors are open, so open() returns this number.
    if (::open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd) ::_exit(5); // exit_code(ErrorCode::io)
  }
}

} // namespace headscope
