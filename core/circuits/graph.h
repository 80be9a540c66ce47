// SPDX-License-Identifier: GPL-3.0-or-later
// The computational graph of a model: who writes to the residual stream (senders: the input, heads, MLPs) and who reads
// from it (receivers: the q, k and v inputs of heads, the inputs of MLPs, the logits). An edge is one sender's part of
// one receiver's input. Edges and counts are those of EAP-IG (Hanna et al. 2403.17806, github.com/hannamw/EAP-IG), but
// k and v stay on the model's native K/V heads: where these are fewer than the heads, they are receivers of their own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/model/config.h"

namespace headscope {

struct GraphShape {
  std::int64_t n_layers = 0, n_heads = 0, n_kv_heads = 0;
  bool mlp = true;       // false: attention-only
  bool parallel = false; // the MLP reads what attention reads (GPT-NeoX)
  friend bool operator==(const GraphShape&, const GraphShape&) = default;
};
GraphShape graph_shape(const ModelConfig& config);

enum class SenderKind : std::uint8_t { input, head, mlp };
struct Sender {
  SenderKind kind = SenderKind::input;
  int layer = -1, head = -1; // -1: none
};

enum class ReceiverKind : std::uint8_t { q, k, v, mlp, logits };
struct Receiver {
  ReceiverKind kind = ReceiverKind::logits;
  int layer = -1, head = -1;   // the K/V head at k and v; -1: none
  int reads = 0;               // it reads the senders 0 to reads - 1
  std::int64_t first_edge = 0; // index of the edge from sender 0; the others follow
};

struct EdgeEnds {
  int sender = 0, receiver = 0;
};

// Senders and receivers are numbered in the order of the forward pass; edges by receiver, then by sender.
class ComputationalGraph {
public:
  explicit ComputationalGraph(const GraphShape& shape);

  const GraphShape& shape() const { return shape_; }
  const std::vector<Sender>& senders() const { return senders_; }
  const std::vector<Receiver>& receivers() const { return receivers_; }
  std::int64_t edge_count() const { return edge_count_; }

  EdgeEnds ends(std::int64_t edge) const;
  std::int64_t edge(EdgeEnds ends) const {
    return receivers_[static_cast<std::size_t>(ends.receiver)].first_edge + ends.sender;
  }
  int sender(SenderKind kind, int layer, int head) const; // layer and head are ignored where there is none
  int receiver(ReceiverKind kind, int layer, int head) const;

  // The receivers that feed a sender: q, k and v for a head; none for the input.
  std::vector<int> inputs_of(int sender) const;
  // The senders that a receiver feeds: one, or the heads that share a K/V head; none for the logits.
  std::vector<int> fed_by(int receiver) const;

  std::string sender_name(int sender) const;      // "input", "a9.h9", "m11"
  std::string receiver_name(int receiver) const;  // "a10.h0<q>", "a10.kv1<k>", "m11", "logits"
  std::string edge_name(std::int64_t edge) const; // "a9.h9->a10.h0<q>"

  // Finds a node by its name as above; heads also as "L9H9" and "9.9". A k or v of a head that shares its K/V head
  // ("a10.h4<k>") means that K/V head. Returns not_found, with an example of this graph, for anything else.
  Result<int> find_sender(std::string_view name) const;
  Result<int> find_receiver(std::string_view name) const;
  Result<std::int64_t> find_edge(std::string_view name) const;

private:
  int senders_before(int layer) const;

  GraphShape shape_;
  std::vector<Sender> senders_;
  std::vector<Receiver> receivers_;
  std::int64_t edge_count_ = 0;
};

} // namespace headscope
