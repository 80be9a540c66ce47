// SPDX-License-Identifier: GPL-3.0-or-later
// Loaded before a program (LD_PRELOAD), kills it in the middle of a write: after as many bytes written to files as
// HEADSCOPE_KILL_AFTER says. What the kernel has of that write by then stays, as when a machine is switched off.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static long long left = -1;

__attribute__((constructor)) static void begin(void) {
  const char* text = getenv("HEADSCOPE_KILL_AFTER");
  if (text) left = atoll(text);
}

static size_t allowed(int fd, size_t size) {
  struct stat info;
  if (left < 0 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return size;
  return (long long)size < left ? size : (size_t)left;
}

static void count(int fd, size_t size) {
  struct stat info;
  if (left < 0 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return;
  left -= (long long)size;
  if (left <= 0) raise(SIGKILL);
}

ssize_t write(int fd, const void* bytes, size_t size) {
  static ssize_t (*real)(int, const void*, size_t);
  if (!real) real = (ssize_t(*)(int, const void*, size_t))dlsym(RTLD_NEXT, "write");
  const ssize_t done = real(fd, bytes, allowed(fd, size));
  if (done >= 0) count(fd, (size_t)done);
  return done;
}

ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t at) {
  static ssize_t (*real)(int, const void*, size_t, off64_t);
  if (!real) real = (ssize_t(*)(int, const void*, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
  const ssize_t done = real(fd, bytes, allowed(fd, size), at);
  if (done >= 0) count(fd, (size_t)done);
  return done;
}

ssize_t pwrite(int fd, const void* bytes, size_t size, off_t at) { return pwrite64(fd, bytes, size, at); }

ssize_t writev(int fd, const struct iovec* parts, int count_of) {
  ssize_t all = 0;
  for (int i = 0; i < count_of; ++i) {
    const ssize_t done = write(fd, parts[i].iov_base, parts[i].iov_len);
    if (done < 0) return all > 0 ? all : done;
    all += done;
    if ((size_t)done < parts[i].iov_len) break;
  }
  return all;
}
