// SPDX-License-Identifier: GPL-3.0-or-later
// write_sample FILE [interrupted]: the file that read_sample.py opens.
#include <cstdio>
#include <string>

#include "tests/store/sample_writer.h"

int main(int argc, char** argv) {
  using namespace headscope;
  const auto write = [&]() -> Status {
    HS_ASSIGN(store::ResultWriter out, store::ResultWriter::create(argv[1], {false, store::sample::provenance(), 4}));
    HS_TRY(store::sample::write_all(out));
    return out.commit(argc < 3);
  };
  if (argc < 2) return 2;
  const Status status = write();
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.error().to_string().c_str());
  return status.ok() ? 0 : 1;
}
