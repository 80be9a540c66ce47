// SPDX-License-Identifier: GPL-3.0-or-later
// The ranks that mpirun started together, or this process alone. MPI is not linked: libheadscope_mpi.so is opened only
// where mpirun says that there are several ranks.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.h"

namespace headscope {

namespace mpi {
struct Module;
}

class Ranks {
public:
  // A single rank unless the environment says that Open MPI's mpirun started several. Returns unsupported when there
  // are several and the module is missing.
  static Result<Ranks> join();

  Ranks(Ranks&& other) noexcept;
  Ranks& operator=(Ranks&&) = delete;
  ~Ranks();

  int rank() const { return rank_; }
  int size() const { return size_; }
  int local_rank() const { return local_rank_; } // among those of this machine
  int local_size() const { return local_size_; }

  // All ranks must make these calls in the same order.
  Result<std::vector<std::string>> gather(const std::string& bytes) const; // at rank 0: of all [rank]; elsewhere: empty
  Result<std::string> broadcast(const std::string& bytes) const;           // rank 0's
  Result<int> largest(int value) const;
  // Ends all ranks, so that one that fails does not leave the others waiting. Returns only where there is one rank.
  void abort(int code) const;

private:
  Ranks() = default;
  const mpi::Module* module_ = nullptr;
  int rank_ = 0, size_ = 1, local_rank_ = 0, local_size_ = 1;
};

} // namespace headscope
