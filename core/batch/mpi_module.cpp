// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/batch/mpi_module.h"

#include <algorithm>
#include <string>
#include <vector>

#define OMPI_SKIP_MPICXX 1
#include <mpi.h>

namespace headscope::mpi {
namespace {

constexpr std::int64_t most_at_once = std::int64_t{1} << 30; // MPI counts are int

struct State {
  int rank = 0, size = 1;
  std::string bytes;
  std::vector<std::int64_t> sizes;
};
State& state() {
  static State shared;
  return shared;
}

int start(int* rank, int* size) {
  if (MPI_Init(nullptr, nullptr) != MPI_SUCCESS) return 1;
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_rank(MPI_COMM_WORLD, &state().rank);
  MPI_Comm_size(MPI_COMM_WORLD, &state().size);
  *rank = state().rank;
  *size = state().size;
  return 0;
}

int send(const char* bytes, std::int64_t size) {
  for (std::int64_t at = 0; at < size; at += most_at_once)
    if (MPI_Send(bytes + at, static_cast<int>(std::min(most_at_once, size - at)), MPI_BYTE, 0, 0, MPI_COMM_WORLD) !=
        MPI_SUCCESS)
      return 1;
  return 0;
}

int receive(int from, char* bytes, std::int64_t size) {
  for (std::int64_t at = 0; at < size; at += most_at_once)
    if (MPI_Recv(bytes + at, static_cast<int>(std::min(most_at_once, size - at)), MPI_BYTE, from, 0, MPI_COMM_WORLD,
                 MPI_STATUS_IGNORE) != MPI_SUCCESS)
      return 1;
  return 0;
}

int gather(const char* bytes, std::int64_t size, const char** all, const std::int64_t** sizes) {
  State& own = state();
  own.sizes.assign(static_cast<std::size_t>(own.size), 0);
  if (MPI_Gather(&size, 1, MPI_INT64_T, own.sizes.data(), 1, MPI_INT64_T, 0, MPI_COMM_WORLD) != MPI_SUCCESS) return 1;
  *all = nullptr;
  *sizes = nullptr;
  if (own.rank != 0) return send(bytes, size);
  std::string received(bytes, static_cast<std::size_t>(size));
  for (int rank = 1; rank < own.size; ++rank) {
    const std::size_t begin = received.size();
    const std::int64_t more = own.sizes[static_cast<std::size_t>(rank)];
    received.resize(begin + static_cast<std::size_t>(more));
    if (receive(rank, received.data() + begin, more) != 0) return 1;
  }
  own.bytes = std::move(received);
  *all = own.bytes.data();
  *sizes = own.sizes.data();
  return 0;
}

int broadcast(const char* bytes, std::int64_t size, const char** received, std::int64_t* received_size) {
  State& own = state();
  if (MPI_Bcast(&size, 1, MPI_INT64_T, 0, MPI_COMM_WORLD) != MPI_SUCCESS) return 1;
  std::string text = own.rank == 0 ? std::string(bytes, static_cast<std::size_t>(size))
                                   : std::string(static_cast<std::size_t>(size), '\0');
  for (std::int64_t at = 0; at < size; at += most_at_once)
    if (MPI_Bcast(text.data() + at, static_cast<int>(std::min(most_at_once, size - at)), MPI_BYTE, 0, MPI_COMM_WORLD) !=
        MPI_SUCCESS)
      return 1;
  own.bytes = std::move(text);
  *received = own.bytes.data();
  *received_size = size;
  return 0;
}

int largest(int value, int* result) {
  return MPI_Allreduce(&value, result, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD) == MPI_SUCCESS ? 0 : 1;
}

void stop() { MPI_Finalize(); }
void abort_all(int code) { MPI_Abort(MPI_COMM_WORLD, code); }

constexpr Module module = {module_version, start, gather, broadcast, largest, stop, abort_all};

} // namespace
} // namespace headscope::mpi

extern "C" const headscope::mpi::Module* headscope_mpi_module() { return &headscope::mpi::module; }
