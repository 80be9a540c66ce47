// SPDX-License-Identifier: GPL-3.0-or-later
// headscope bench load: how long a model takes to load, against reading its file and moving its bytes through memory.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "app/cli/bench/bench.h"
#include "app/cli/bench/measure.h"
#include "app/cli/bench/peak.h"
#include "app/cli/model_options.h"
#include "app/cli/progress.h"
#include "core/io/checkpoint.h"
#include "core/model/model_store.h"
#include "core/model/weight_memory.h"

namespace headscope::cli {
namespace {

constexpr int load_runs = 3; // the best counts

struct LoadTimes {
  double load = 0.0, read = 0.0, memory = 0.0;
  double fresh = 0.0; // to fill as many bytes of memory that the process did not have before, as every loader must
  std::int64_t stored_bytes = 0, weight_bytes = 0;
  double ratio() const { return load / (read + memory); }
};

// The best of some runs of `work`, each after `prepare`, which is not timed.
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

Status run_load(const ModelOptions& options, const Console& console) {
  HS_ASSIGN(LoadOptions how, load_options(options, console));
  HS_ASSIGN(const std::string path, resolve_model_path(options.model));
  LoadTimes times;
  {
    HS_ASSIGN(const Checkpoint checkpoint, Checkpoint::open(path));
    if (!checkpoint.gguf())
      return make_error(ErrorCode::unsupported, "is no .gguf file, which is what this measures", path, "--model");
    times.stored_bytes = checkpoint.total_bytes();
  }
  HS_ASSIGN(const Peak peak, measure_peak(at::kCPU, at::kFloat, console.task()));
  HS_ASSIGN(times.read, best_of(
                            at::kCPU, [] {}, [&] { return read_through(path); }));
  std::shared_ptr<const Model> model;
  HS_ASSIGN(times.load, best_of(
                            how.device, [&] { model.reset(); }, // giving memory back is no part of loading
                            [&]() -> Status {
                              HS_ASSIGN(model, load_model(path, how));
                              return {};
                            }));
  finish_progress();
  times.weight_bytes = weight_bytes(model->weights);
  model.reset();
  HS_ASSIGN(times.fresh, best_of(
                             at::kCPU, [] {}, [&] { return fill_fresh(times.weight_bytes, how.threads); }));
  times.memory = static_cast<double>(times.stored_bytes + times.weight_bytes) / peak.bytes_per_s;
  if (console.json) {
    console.print({{"seconds", times.load},
                   {"read_seconds", times.read},
                   {"memory_seconds", times.memory},
                   {"fresh_memory_seconds", times.fresh},
                   {"ratio", times.ratio()},
                   {"stored_bytes", times.stored_bytes},
                   {"weight_bytes", times.weight_bytes}});
    return {};
  }
  std::printf(
      "%.3f s; reading the file takes %.3f s, its %.0f MB in and %.0f MB of weights out at a copy's %.1f GB/s %.3f s: "
      "%.2f times both; filling as much fresh memory takes %.3f s\n",
      times.load, times.read, static_cast<double>(times.stored_bytes) / 1e6,
      static_cast<double>(times.weight_bytes) / 1e6, peak.bytes_per_s / 1e9, times.memory, times.ratio(), times.fresh);
  return {};
}

} // namespace

void add_bench_load(CLI::App& bench, Commands& commands) {
  CLI::App* command =
      add_command(bench, commands, "load", "Time the loading of a .gguf file, the file in the page cache",
                  "headscope bench load --model smollm2 --threads 1");
  auto options = std::make_shared<ModelOptions>();
  add_model_options(*command, *options);
  command->callback([&commands, options] {
    commands.chosen = [options](const Console& console) { return run_load(*options, console); };
  });
}

} // namespace headscope::cli
