// SPDX-License-Identifier: GPL-3.0-or-later
// write_repeatedly FILE: writes the sample and a map of 1,024 tokens over and over, until it is killed.
#include <cstdio>

#include "tests/store/sample_writer.h"

namespace {

using namespace headscope;

Status write_once(const char* path) {
  HS_ASSIGN(store::ResultWriter out, store::ResultWriter::create(path, {true, store::sample::provenance(), 1}));
  HS_TRY(store::sample::write_all(out));
  store::AttentionSpec spec{"long", {{1, 1}}, 1024, 1024, store::DType::float16, {}};
  HS_ASSIGN(store::AttentionWriter map, out.begin_attention(spec));
  std::vector<float> rows(64 * 1024, 0.25F);
  for (int begin = 0; begin < 1024; begin += 64)
    HS_TRY(map.write_rows(0, begin, rows));
  return out.commit();
}

} // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  for (;;) {
    const Status status = write_once(argv[1]);
    if (!status.ok()) {
      std::fprintf(stderr, "%s\n", status.error().to_string().c_str());
      return 1;
    }
    std::puts("written");
    std::fflush(stdout);
  }
}
