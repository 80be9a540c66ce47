// SPDX-License-Identifier: GPL-3.0-or-later
// Compares circuits: two in detail, more in a table of their pairs (circuit component reuse, Merullo et al.
// 2310.08744).
#include <cstdio>

#include "app/cli/circuit_files.h"
#include "app/cli/overlap_files.h"
#include "app/methods/base/values.h"
#include "app/methods/circuit/circuit_read.h"
#include "core/base/plain_text.h"

namespace headscope::cli {
namespace {

struct Options {
  std::vector<std::string> files;
  std::string name;
  OverlapTarget target;
};

struct Compared {
  std::string file;
  ScoredCircuit circuit;
};

nlohmann::json to_json(const Overlap& overlap) {
  return {{"first", overlap.first},       {"second", overlap.second},       {"both", overlap.both},
          {"jaccard", overlap.jaccard()}, {"of_first", overlap.of_first()}, {"of_second", overlap.of_second()}};
}

nlohmann::json to_json(const CircuitComparison& found) {
  return {{"edges", to_json(found.edges)},
          {"nodes", to_json(found.nodes)},
          {"heads", to_json(found.heads)},
          {"mlps", to_json(found.mlps)}};
}

std::vector<std::string> names_of(const ComputationalGraph& graph, const std::vector<int>& senders) {
  std::vector<std::string> names;
  for (const int sender : senders)
    names.push_back(graph.sender_name(sender));
  return names;
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names)
    out += (out.empty() ? "" : " ") + name;
  return out.empty() ? "none" : out;
}

// Reads all graphs of a single file, or from each of several files the first graph or the one of this name.
Result<std::vector<Compared>> read_all(const Options& options) {
  std::vector<Compared> all;
  for (const std::string& file : options.files) {
    HS_ASSIGN(auto circuits, read_circuits(file, options.name));
    for (ScoredCircuit& circuit : circuits) {
      if (!all.empty() && circuit.graph.shape() != all.front().circuit.graph.shape())
        return make_error(ErrorCode::mismatch, "is a circuit of a model of another shape than " + all.front().file,
                          file, "/graph/" + circuit.name);
      all.push_back({file, std::move(circuit)});
      if (options.files.size() > 1) break;
    }
  }
  if (all.size() < 2)
    return make_error(ErrorCode::invalid_argument, "holds one circuit; give a file with another", options.files.front(),
                      "FILE");
  return all;
}

void print_two(const ComputationalGraph& graph, const CircuitComparison& found) {
  std::vector<std::vector<std::string>> lines = {{"", "first", "second", "both", "of first", "of second", "Jaccard"}};
  for (const auto& [name, overlap] :
       {std::pair("edges", &found.edges), {"nodes", &found.nodes}, {"heads", &found.heads}, {"MLPs", &found.mlps}})
    lines.push_back({name, std::to_string(overlap->first), std::to_string(overlap->second),
                     std::to_string(overlap->both), fixed(overlap->of_first(), 3), fixed(overlap->of_second(), 3),
                     fixed(overlap->jaccard(), 3)});
  std::printf("%sheads of both: %s\nof the first only: %s\nof the second only: %s\n", aligned(lines).c_str(),
              joined(names_of(graph, found.shared_heads)).c_str(), joined(names_of(graph, found.first_only)).c_str(),
              joined(names_of(graph, found.second_only)).c_str());
}

// Names such as "1 ioi", since several circuits may be of one task.
std::vector<std::string> names_of(const std::vector<Compared>& all) {
  std::vector<std::string> names;
  for (const Compared& each : all)
    names.push_back(std::to_string(names.size() + 1) + " " + each.circuit.name +
                    (each.circuit.task.empty() ? "" : ", " + each.circuit.task));
  return names;
}

// Writes the files that were asked for.
Result<std::vector<std::string>> write_files(const std::vector<Compared>& all, const OverlapTarget& target) {
  if (target.folder.empty()) return std::vector<std::string>();
  CircuitOverlaps overlaps{names_of(all), {}};
  for (const Compared& first : all)
    for (const Compared& second : all) {
      HS_ASSIGN(CircuitComparison found,
                compare_circuits(first.circuit.graph, first.circuit.circuit, second.circuit.circuit));
      overlaps.between.push_back(std::move(found));
    }
  return write_overlaps(overlaps, target);
}

// Prints what was found, and which files hold it.
void finish(nlohmann::json document, const std::vector<std::string>& files, const Console& console) {
  if (console.json) {
    if (!files.empty()) document["files"] = files;
    console.print(document);
    return;
  }
  for (const std::string& file : files)
    std::printf("%s\n", plain_text(file).c_str());
}

Status compare_two(const std::vector<Compared>& all, const std::vector<std::string>& files, const Console& console) {
  const ComputationalGraph& graph = all[0].circuit.graph;
  HS_ASSIGN(const CircuitComparison found, compare_circuits(graph, all[0].circuit.circuit, all[1].circuit.circuit));
  if (!console.json) print_two(graph, found);
  nlohmann::json document = to_json(found);
  document["shared_heads"] = names_of(graph, found.shared_heads);
  document["heads_of_first"] = names_of(graph, found.first_only);
  document["heads_of_second"] = names_of(graph, found.second_only);
  finish(std::move(document), files, console);
  return {};
}

// Compares many circuits: which share of a row's heads and edges the column's circuit has too.
Status compare_many(const std::vector<Compared>& all, const std::vector<std::string>& files, const Console& console) {
  nlohmann::json circuits = nlohmann::json::array(), pairs = nlohmann::json::array();
  std::vector<std::vector<std::string>> heads = {{"share of heads"}}, edges = {{"share of edges"}};
  for (std::size_t i = 0; i < all.size(); ++i) {
    const ScoredCircuit& circuit = all[i].circuit;
    const std::string number = std::to_string(i + 1);
    circuits.push_back({{"file", all[i].file}, {"name", circuit.name}, {"task", circuit.task}});
    heads.front().push_back(number);
    edges.front().push_back(number);
    heads.push_back({number + " " + all[i].file + " " + circuit.name + ", " + circuit.task});
    edges.push_back({number});
    for (std::size_t j = 0; j < all.size(); ++j) {
      HS_ASSIGN(const CircuitComparison found,
                compare_circuits(circuit.graph, circuit.circuit, all[j].circuit.circuit));
      heads.back().push_back(fixed(found.heads.of_first(), 3));
      edges.back().push_back(fixed(found.edges.of_first(), 3));
      if (i >= j) continue;
      pairs.push_back(to_json(found));
      pairs.back()["circuits"] = {i, j};
    }
  }
  if (!console.json) std::printf("%s\n%s", aligned(heads).c_str(), aligned(edges).c_str());
  finish({{"circuits", circuits}, {"pairs", pairs}}, files, console);
  return {};
}

} // namespace

void add_circuit_compare(CLI::App& circuit, Commands& commands) {
  CLI::App* command = add_command(circuit, commands, "compare", "Which edges and heads circuits share",
                                  "headscope circuit compare ioi.h5 greater-than.h5");
  auto options = std::make_shared<Options>();
  command->add_option("FILE", options->files, "Result files with circuits of one model, or one file with several")
      ->required();
  command->add_option("--name", options->name, "Of the graph in each file; default: the first");
  command->add_option("--out,-o", options->target.folder, "Also write what is shared into this folder");
  command->add_option("--format", options->target.formats, "png, svg, pdf, csv and npy, comma-separated")
      ->capture_default_str();
  command->add_flag("--force", options->target.overwrite, "Replace existing files");
  command->callback([&commands, options] {
    commands.chosen = [options](const Console& console) -> Status {
      HS_ASSIGN(const std::vector<Compared> all, read_all(*options));
      HS_ASSIGN(const std::vector<std::string> files, write_files(all, options->target));
      return all.size() == 2 ? compare_two(all, files, console) : compare_many(all, files, console);
    };
  });
}

} // namespace headscope::cli
