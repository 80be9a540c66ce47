// SPDX-License-Identifier: GPL-3.0-or-later
// Exports circuits for other programs.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/circuits/scored_circuit.h"
#include "core/vocabulary/named.h"

namespace headscope {

enum class GraphFormat : std::uint8_t {
  dot,     // Graphviz: the circuit's nodes and edges, layer above layer
  graphml, // the circuit's nodes and edges with their scores (yEd, Gephi, NetworkX)
  json,    // every edge: `cfg`, `nodes`, `edges` as EAP-IG writes them and the MIB benchmark reads them
};
template <> std::span<const Named<GraphFormat>> names_of<GraphFormat>();
inline Result<GraphFormat> parse_graph_format(std::string_view name) { return parse_name<GraphFormat>(name, "format"); }

// In JSON, scores are importances (what the metric loses without the edge), as in EAP-IG, whose graphs have a k and a v
// for each head: an edge into a shared K/V head is written once for each of its heads, each with its part of the score.
std::string export_graph(const ScoredCircuit& circuit, GraphFormat format);

} // namespace headscope
