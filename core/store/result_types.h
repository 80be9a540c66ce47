// SPDX-License-Identifier: GPL-3.0-or-later
// The values that are written to and read from a result file, without HDF5 and Torch.
// Shapes are row-major; [layer, head] means layer is the slow axis. docs/file-format.md is the schema.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/vocabulary/head_id.h"

namespace headscope::store {

using AttributeValue = std::variant<std::int64_t, double, bool, std::string, std::vector<std::int64_t>,
                                    std::vector<double>, std::vector<std::string>>;

struct Attribute {
  std::string name;
  AttributeValue value;
};
// The file keeps this order.
using Attributes = std::vector<Attribute>;

// Finds the value of that name, or null.
const AttributeValue* find_attribute(const Attributes& attributes, const std::string& name);
// Finds the text of that name, or an empty one.
std::string text_attribute(const Attributes& attributes, const std::string& name);

enum class DType { float16, float32, float64, int32, int64, uint8, string, other };
const char* to_string(DType dtype); // "float16", ...

// What made the file; kept as root attributes.
struct Provenance {
  std::string headscope_version;
  std::string libtorch_version;
  std::string command_line;
  std::vector<std::int64_t> seeds;
  std::string created = {}; // UTC, ISO 8601; empty: now
};

struct Axis {
  std::string name;                // "layer", "head", "prompt", "position", "query", "key", ...
  std::vector<std::string> labels; // one an element, or empty: the axis is numbered from 0
};

// A named array of any rank. Every axis gets an HDF5 dimension scale.
struct ArraySpec {
  DType dtype = DType::float32; // any but string and other
  std::vector<Axis> axes;
  std::vector<std::int64_t> shape; // one an axis
  std::string units;               // "1" for a pure number, "logit", "nat", "token", ...
  std::string long_name;           // what was measured, for a reader who has only this file
  Attributes attributes;
  std::vector<std::int64_t> chunk; // empty: chosen by the writer
};

struct Column {
  std::string name;
  std::variant<std::vector<std::int64_t>, std::vector<double>, std::vector<std::string>> values;
  std::string units;
  std::string long_name;
};
// Columns of one length; stored as a group with one dataset per column.
struct Table {
  std::vector<Column> columns;
  Attributes attributes;
};

struct Prompt {
  std::string id; // also its link name: not empty, no '/'
  std::string text;
  std::vector<std::int64_t> token_ids;
  std::vector<std::string> token_pieces; // as in the vocabulary; as many as ids
  std::vector<std::string> token_texts;  // decoded, for display; as many as ids or none
  Attributes attributes;
};

struct DetectorScores {
  std::string name; // "successor", "retrieval", ...
  std::int64_t n_layers = 0;
  std::int64_t n_heads = 0;
  std::vector<float> scores; // [layer, head]; NaN: not measured
  std::string units = "1";
  std::string description;
  std::optional<double> threshold;
  std::string higher_is = "stronger";
  std::vector<HeadId> heads; // above the threshold, strongest first
  Attributes attributes;
};

struct AblationSpec {
  std::string name; // e.g. "zero"
  std::int64_t n_layers = 0;
  std::int64_t n_heads = 0;
  std::vector<std::string> prompts; // their ids or texts, the labels of the prompt axis
  std::string method;               // "zero", "mean", ...
  std::string phase;                // "prefill", "decode", "both"
  std::string metric;               // e.g. "logit difference"
  std::string units = "logit";
  Attributes attributes;
};
struct Ablation {
  AblationSpec spec;
  std::vector<float> effects; // [prompt, layer, head]; NaN: not measured
  std::vector<float> clean;   // [prompt]; NaN: not measured
  std::vector<float> mean;    // [layer, head], over the prompts measured; NaN: none
};

struct PatchingSpec {
  std::string name;
  std::string site;                // "resid_pre", "z", ...
  std::vector<std::string> axes;   // {"layer","position"}, {"layer","head"} or {"layer","position","head"}
  std::vector<std::int64_t> shape; // one an axis
  std::string metric;
  double clean = 0.0;                      // the metric on the clean run
  double corrupt = 0.0;                    // and on the corrupt one
  std::string units = "logit";             // of clean and corrupt; restored is 0 = corrupt, 1 = clean
  std::vector<std::string> clean_tokens;   // of the clean prompt, decoded
  std::vector<std::string> corrupt_tokens; // of the corrupt prompt, decoded
  Attributes attributes;
};
struct Patching {
  PatchingSpec spec;
  std::vector<float> restored; // spec.shape; NaN: not measured
};

struct AttentionSpec {
  std::string prompt;        // id of the prompt
  std::vector<HeadId> heads; // in the order of the head axis
  std::int64_t n_query = 0;
  std::int64_t n_key = 0;
  DType dtype = DType::float16; // float16 or float32
  Attributes attributes;
};

struct GraphNode {
  std::string name;
  int layer = -1; // -1: none, as for the input
  int head = -1;  // -1: none, as for an MLP
  std::string kind;
  double score = std::numeric_limits<double>::quiet_NaN(); // NaN: none
  bool in_circuit = false;
};
struct GraphEdge {
  std::int64_t src = 0; // index of a node
  std::int64_t dst = 0;
  std::string kind; // "q", "k", "v", ...
  double score = 0.0;
  bool in_circuit = false;
};
struct Graph {
  std::string name;
  std::string metric;
  std::string task;
  std::string units = "1"; // of the edges' scores
  std::vector<GraphNode> nodes;
  std::vector<GraphEdge> edges;
  Attributes attributes;
};

// The path "/detectors/DETECTOR/evidence/NAME", for add_array and add_table.
std::string evidence_path(const std::string& detector, const std::string& name);

} // namespace headscope::store
