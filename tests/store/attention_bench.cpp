// SPDX-License-Identifier: GPL-3.0-or-later
// attention_bench [TOKENS] [ROWS_AT_ONCE] [DEFLATE] [DECAY]: time and size of one head's causal softmax map.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <vector>

#include "core/store/result_file.h"

namespace {

// Rows of softmax over normal logits with a first-token sink and a preference for near keys.
std::vector<float> make_map(int n, float decay) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0.0F, 2.0F);
  std::vector<float> map(static_cast<std::size_t>(n) * static_cast<std::size_t>(n), 0.0F);
  for (int q = 0; q < n; ++q) {
    float* row = map.data() + static_cast<std::ptrdiff_t>(q) * n;
    float sum = 0.0F;
    for (int k = 0; k <= q; ++k) {
      row[k] = std::exp(normal(random) - decay * static_cast<float>(q - k) + (k == 0 ? 6.0F : 0.0F));
      sum += row[k];
    }
    for (int k = 0; k <= q; ++k)
      row[k] /= sum;
  }
  return map;
}

headscope::Status write(const std::string& path, const std::vector<float>& map, int n, int at_once, int deflate) {
  using namespace headscope;
  HS_ASSIGN(store::ResultWriter out, store::ResultWriter::create(path, {true, {}, deflate}));
  HS_ASSIGN(store::AttentionWriter writer, out.begin_attention({"p", {{0, 0}}, n, n, store::DType::float16, {}}));
  for (int q = 0; q < n; q += at_once) {
    const int rows = std::min(at_once, n - q);
    HS_TRY(writer.write_rows(0, q,
                             {map.data() + static_cast<std::ptrdiff_t>(q) * n,
                              static_cast<std::size_t>(rows) * static_cast<std::size_t>(n)}));
  }
  return out.commit();
}

} // namespace

int main(int argc, char** argv) {
  const int n = argc > 1 ? std::atoi(argv[1]) : 4096;
  const int at_once = argc > 2 ? std::atoi(argv[2]) : 256;
  const int deflate = argc > 3 ? std::atoi(argv[3]) : 4;
  const float decay = argc > 4 ? std::strtof(argv[4], nullptr) : 0.01F;
  const std::vector<float> map = make_map(n, decay);
  const std::string path = (std::filesystem::temp_directory_path() / "headscope-attention-bench.h5").string();
  const auto begin = std::chrono::steady_clock::now();
  const headscope::Status status = write(path, map, n, at_once, deflate);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", status.error().to_string().c_str());
    return 1;
  }
  const double raw = 2.0 * n * n;
  const auto stored = static_cast<double>(std::filesystem::file_size(path));
  std::printf("%d x %d float16, %d rows at once, gzip %d: %.2f s, %.1f MB/s of float16, %.2f MB of %.2f MB (%.1f %%)\n",
              n, n, at_once, deflate, seconds, raw / seconds / 1e6, stored / 1e6, raw / 1e6, 100.0 * stored / raw);
  std::filesystem::remove(path);
  return 0;
}
