// SPDX-License-Identifier: GPL-3.0-or-later
// The method `bench load`: how long a model takes to load, against reading its file and moving its bytes through
// memory.
#include <algorithm>
#include <cstring>
#include <fstream>

#include "app/methods/base/values.h"
#include "app/methods/bench/bench.h"
#include "app/methods/bench/measure.h"
#include "app/methods/bench/peak.h"
#include "app/methods/inputs/model_options.h"
#include "core/io/checkpoint.h"
#include "core/model/model_store.h"
#include "core/model/weight_memory.h"

namespace headscope::methods {
namespace {

constexpr int load_runs = 3; // the best counts

struct LoadTimes {
  double load = 0.0, read = 0.0, memory = 0.0;
  double fresh = 0.0; // to fill as many bytes of memory that the process did not have before, as every loader must
  std::int64_t stored_bytes = 0, weight_bytes = 0;
  double copy_bytes_per_s = 0.0;
  double ratio() const { return load / (read + memory); }
};

// The shortest of several runs of `work`, each after `prepare`, which is not timed.
Result<double> best_of(const at::Device& device, const std::function<void()>& prepare,
                       const std::function<Status()>& work) {
  double best = 0.0;
  for (int run = 0; run < load_runs; ++run) {
    prepare();
    HS_ASSIGN(const Measured measured, measure_once(device, work));
    best = run == 0 ? measured.seconds : std::min(best, measured.seconds);
  }
  return best;
}

Status read_through(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<char> part(std::size_t{1} << 20);
  while (file.read(part.data(), static_cast<std::streamsize>(part.size())) || file.gcount() > 0) {
  }
  return file.eof() ? Status{} : make_error(ErrorCode::io, "cannot be read", path);
}

Status fill_fresh(std::int64_t bytes, int threads) {
  WeightMemory memory;
  const at::Tensor filled = memory.empty({bytes}, at::kByte);
  auto* const begin = filled.mutable_data_ptr<std::uint8_t>();
  constexpr std::int64_t part = 8 << 20;
  Workers(threads).run(static_cast<std::uint64_t>((bytes + part - 1) / part), [&](std::uint64_t i) {
    const std::int64_t from = static_cast<std::int64_t>(i) * part;
    std::memset(begin + from, 1, static_cast<std::size_t>(std::min(part, bytes - from)));
  });
  return {};
}

Result<LoadTimes> measure_load(const ModelOptions& options, const Context& context) {
  HS_ASSIGN(LoadOptions how, load_options(options, context));
  HS_ASSIGN(const std::string path, resolve_model_path(options.model));
  LoadTimes times;
  {
    HS_ASSIGN(const Checkpoint checkpoint, Checkpoint::open(path));
    if (!checkpoint.gguf())
      return make_error(ErrorCode::unsupported, "is no .gguf file, which is what this measures", path, "--model");
    times.stored_bytes = checkpoint.total_bytes();
  }
  HS_ASSIGN(const Peak peak, measure_peak(at::kCPU, at::kFloat, context.control()));
  times.copy_bytes_per_s = peak.bytes_per_s;
  HS_ASSIGN(times.read, best_of(
                            at::kCPU, [] {}, [&] { return read_through(path); }));
  std::shared_ptr<const Model> model;
  HS_ASSIGN(times.load, best_of(
                            how.device, [&] { model.reset(); }, // freeing memory is not part of loading
                            [&]() -> Status {
                              HS_ASSIGN(model, load_model(path, how));
                              return {};
                            }));
  times.weight_bytes = weight_bytes(model->weights);
  model.reset();
  HS_ASSIGN(times.fresh, best_of(
                             at::kCPU, [] {}, [&] { return fill_fresh(times.weight_bytes, how.threads); }));
  times.memory = static_cast<double>(times.stored_bytes + times.weight_bytes) / peak.bytes_per_s;
  return times;
}

class BenchLoad : public Method {
public:
  const MethodInfo& info() const override {
    static const MethodInfo info = {.id = "bench load",
                                    .summary = "Time the loading of a .gguf file, the file in the page cache",
                                    .example = "headscope bench load --model smollm2 --threads 1",
                                    .needs_tokenizer = false,
                                    .needs_model = false,
                                    .output = Output::none};
    return info;
  }

  void options(OptionList& list) override { list_model_options(list, options_); }

  Result<Report> run_alone(const Context& context) override {
    HS_ASSIGN(const LoadTimes times, measure_load(options_, context));
    return Report{
        {{"seconds", times.load},
         {"read_seconds", times.read},
         {"memory_seconds", times.memory},
         {"fresh_memory_seconds", times.fresh},
         {"ratio", times.ratio()},
         {"stored_bytes", times.stored_bytes},
         {"weight_bytes", times.weight_bytes}},
        printed("%.3f s; reading the file takes %.3f s, its %.0f MB in and %.0f MB of weights out at a copy's "
                "%.1f GB/s %.3f s: %.2f times both; filling as much fresh memory takes %.3f s\n",
                times.load, times.read, static_cast<double>(times.stored_bytes) / 1e6,
                static_cast<double>(times.weight_bytes) / 1e6, times.copy_bytes_per_s / 1e9, times.memory,
                times.ratio(), times.fresh)};
  }

private:
  ModelOptions options_;
};

} // namespace

std::unique_ptr<Method> make_bench_load() { return std::make_unique<BenchLoad>(); }

} // namespace headscope::methods
