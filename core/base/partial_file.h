// SPDX-License-Identifier: GPL-3.0-or-later
// A hidden file beside the final one that takes its name in one step when everything is on the disk. All files that
// Headscope writes are written this way, except journals and logs, which grow.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.h"

namespace headscope {

// `.NAME.partial-PID[-N]` in the folder of NAME, locked (flock) while this object lives, so that a later
// run can tell a dead run's leftover from one that is being written.
class PartialFile {
public:
  // Returns already_exists when `path` exists and overwrite is off; io when the folder is missing or refuses;
  // invalid_argument when `path` is something that is not a regular file. Removes dead runs' leftovers.
  static Result<PartialFile> create(const std::string& path, bool overwrite);

  PartialFile(PartialFile&& other) noexcept;
  PartialFile& operator=(PartialFile&& other) noexcept;
  ~PartialFile(); // removes the hidden file unless it was published

  const std::string& path() const { return partial_; }
  int fd() const { return fd_; } // open for reading and writing until it is published or removed
  const std::string& final_path() const { return final_; }

  // Syncs file and folder and renames. Without overwrite a file that appeared meanwhile is kept; the data
  // are then kept too, under a name that the error gives.
  Status publish(bool overwrite);
  // The same, and the descriptor stays open and locked, for a file that goes on growing; the caller closes it. A file
  // that appeared meanwhile is an error, and this one is removed.
  Result<int> publish_open(bool overwrite);
  void remove();

  // Appends to what was written before.
  Status append(std::string_view bytes);

private:
  PartialFile() = default;
  Status open_new();
  Status keep_aside();
  int take_name(bool overwrite); // 0 or errno

  std::string final_, partial_;
  int fd_ = -1;
};

// Writes a whole file in one step: until it is on disk, the name keeps its old content. A device or pipe
// (`/dev/stdout`) is written to directly.
Status write_file(const std::string& path, std::string_view bytes, bool overwrite);

} // namespace headscope
