// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/command.h"
#include "app/experiments/run_experiment.h"
#include "core/base/text_file.h"
#include "core/batch/journal.h"

namespace headscope::cli {
namespace {

using experiments::RunOptions;

struct Options {
  std::string file, shard;
  RunOptions run;
  bool dry_run = false;
};

Status run(const Options& options, const Console& console) {
  HS_ASSIGN(const std::string text, read_text_file(options.file));
  HS_ASSIGN(experiments::Experiment experiment, experiments::parse_experiment(text, options.file));
  RunOptions how = options.run;
  if (!options.shard.empty()) {
    HS_ASSIGN(how.shard, parse_shard(options.shard));
  }
  if (options.dry_run) return experiments::dry_run(std::move(experiment), console.context(), console.show());
  return experiments::run_experiment(std::move(experiment), how, console.context(), console.show());
}

Status merge(const RunOptions& options, const Console& console) {
  HS_ASSIGN(const JournalContent first, read_journal(options.journals.front()));
  HS_ASSIGN(experiments::Experiment experiment, experiments::parse_experiment(first.header.text, first.header.file));
  RunOptions how = options;
  if (how.out.empty()) how.out = first.header.out;
  return experiments::run_experiment(std::move(experiment), how, console.context(), console.show());
}

} // namespace

void add_run(CLI::App& app, Commands& commands) {
  CLI::App* command = add_command(app, commands, "run", "Run an experiment: tasks and methods from a TOML file",
                                  "headscope run resources/experiments/ioi_heads.toml --out ioi_heads.h5");
  auto options = std::make_shared<Options>();
  command->add_option("EXPERIMENT", options->file, "A TOML file; docs/experiments.md has the schema")->required();
  command->add_option("--out,-o", options->run.out, "The HDF5 result file to write; default: as the experiment says");
  command->add_flag("--force", options->run.force, "Replace an existing file, discard another experiment's journal");
  command->add_flag("--dry-run", options->dry_run, "Only say what it would cost: forward passes, memory, time");
  command->add_option("--shard", options->shard, "Run part I of N (I/N, from 0) only, for headscope merge");
  command->callback(
      [&commands, options] { commands.chosen = [options](const Console& console) { return run(*options, console); }; });
}

void add_merge(CLI::App& app, Commands& commands) {
  CLI::App* command = add_command(app, commands, "merge", "Make one result of the journals that shards left",
                                  "headscope merge ioi_heads.h5.shard-*.journal --out ioi_heads.h5");
  auto options = std::make_shared<RunOptions>();
  command->add_option("JOURNALS", options->journals, "Journals of all shards of one experiment")->required();
  command->add_option("--out,-o", options->out, "The HDF5 result file to write; default: as the shards were told");
  command->add_flag("--force", options->force, "Replace an existing file");
  command->add_flag("--partial", options->partial, "Write what there is, though cells are missing");
  command->callback([&commands, options] {
    commands.chosen = [options](const Console& console) { return merge(*options, console); };
  });
}

} // namespace headscope::cli
