// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/circuits/graph.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace headscope {
namespace {

// Takes a number off the front of `text`; nothing when there is none.
std::optional<int> take_number(std::string_view& text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || text.front() == '-') return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

bool take(std::string_view& text, std::string_view word) {
  if (text.substr(0, word.size()) != word) return false;
  text.remove_prefix(word.size());
  return true;
}

struct HeadName {
  int layer = 0, head = 0;
  bool kv = false;
};

// Reads "a9.h9", "a9.kv1", "L9H9" or "9.9".
std::optional<HeadName> parse_head(std::string_view text) {
  HeadName name;
  const bool capital = take(text, "L");
  const bool node = !capital && take(text, "a");
  const auto layer = take_number(text);
  if (!layer) return std::nullopt;
  if (capital) {
    if (!take(text, "H")) return std::nullopt;
  } else {
    if (!take(text, ".")) return std::nullopt;
    name.kv = node && take(text, "kv");
    if (node && !name.kv && !take(text, "h")) return std::nullopt;
  }
  const auto head = take_number(text);
  if (!head || !text.empty()) return std::nullopt;
  name.layer = *layer;
  name.head = *head;
  return name;
}

std::optional<int> parse_mlp(std::string_view text) {
  if (!take(text, "m")) return std::nullopt;
  const auto layer = take_number(text);
  return text.empty() ? layer : std::nullopt;
}

std::string mlp_name(int layer) { return std::string("m").append(std::to_string(layer)); }
std::string head_name(int layer, const char* kind, int head) {
  return std::string("a").append(std::to_string(layer)).append(kind).append(std::to_string(head));
}

} // namespace

GraphShape graph_shape(const ModelConfig& config) {
  return {config.n_layers, config.n_heads, config.n_kv_heads, config.has_mlp(), config.parallel_residual};
}

ComputationalGraph::ComputationalGraph(const GraphShape& shape) : shape_(shape) {
  senders_.push_back({});
  const auto receive = [&](ReceiverKind kind, int layer, int head, std::size_t reads) {
    receivers_.push_back({kind, layer, head, static_cast<int>(reads), edge_count_});
    edge_count_ += static_cast<std::int64_t>(reads);
  };
  for (int layer = 0; layer < static_cast<int>(shape.n_layers); ++layer) {
    const std::size_t before = senders_.size();
    for (const ReceiverKind kind : {ReceiverKind::q, ReceiverKind::k, ReceiverKind::v})
      for (int head = 0; head < static_cast<int>(kind == ReceiverKind::q ? shape.n_heads : shape.n_kv_heads); ++head)
        receive(kind, layer, head, before);
    for (int head = 0; head < static_cast<int>(shape.n_heads); ++head)
      senders_.push_back({SenderKind::head, layer, head});
    if (!shape.mlp) continue;
    receive(ReceiverKind::mlp, layer, -1, shape.parallel ? before : senders_.size());
    senders_.push_back({SenderKind::mlp, layer, -1});
  }
  receive(ReceiverKind::logits, -1, -1, senders_.size());
}

int ComputationalGraph::senders_before(int layer) const {
  return 1 + layer * static_cast<int>(shape_.n_heads + (shape_.mlp ? 1 : 0));
}

EdgeEnds ComputationalGraph::ends(std::int64_t edge) const {
  const auto after = std::upper_bound(receivers_.begin(), receivers_.end(), edge,
                                      [](std::int64_t e, const Receiver& r) { return e < r.first_edge; });
  const auto receiver = static_cast<int>(after - receivers_.begin()) - 1;
  return {static_cast<int>(edge - receivers_[static_cast<std::size_t>(receiver)].first_edge), receiver};
}

int ComputationalGraph::sender(SenderKind kind, int layer, int head) const {
  if (kind == SenderKind::input) return 0;
  return senders_before(layer) + (kind == SenderKind::head ? head : static_cast<int>(shape_.n_heads));
}

int ComputationalGraph::receiver(ReceiverKind kind, int layer, int head) const {
  if (kind == ReceiverKind::logits) return static_cast<int>(receivers_.size()) - 1;
  const int heads = static_cast<int>(shape_.n_heads), kv = static_cast<int>(shape_.n_kv_heads);
  const int begin = layer * (heads + 2 * kv + (shape_.mlp ? 1 : 0));
  switch (kind) {
  case ReceiverKind::q: return begin + head;
  case ReceiverKind::k: return begin + heads + head;
  case ReceiverKind::v: return begin + heads + kv + head;
  default: return begin + heads + 2 * kv;
  }
}

std::vector<int> ComputationalGraph::inputs_of(int index) const {
  const Sender& node = senders_[static_cast<std::size_t>(index)];
  if (node.kind == SenderKind::input) return {};
  if (node.kind == SenderKind::mlp) return {receiver(ReceiverKind::mlp, node.layer, -1)};
  const int kv = node.head / static_cast<int>(shape_.n_heads / shape_.n_kv_heads);
  return {receiver(ReceiverKind::q, node.layer, node.head), receiver(ReceiverKind::k, node.layer, kv),
          receiver(ReceiverKind::v, node.layer, kv)};
}

std::vector<int> ComputationalGraph::fed_by(int index) const {
  const Receiver& input = receivers_[static_cast<std::size_t>(index)];
  if (input.kind == ReceiverKind::logits) return {};
  if (input.kind == ReceiverKind::mlp) return {sender(SenderKind::mlp, input.layer, -1)};
  if (input.kind == ReceiverKind::q) return {sender(SenderKind::head, input.layer, input.head)};
  std::vector<int> heads;
  const int group = static_cast<int>(shape_.n_heads / shape_.n_kv_heads);
  for (int head = input.head * group; head < (input.head + 1) * group; ++head)
    heads.push_back(sender(SenderKind::head, input.layer, head));
  return heads;
}

std::string ComputationalGraph::sender_name(int index) const {
  const Sender& node = senders_[static_cast<std::size_t>(index)];
  if (node.kind == SenderKind::input) return "input";
  if (node.kind == SenderKind::mlp) return mlp_name(node.layer);
  return head_name(node.layer, ".h", node.head);
}

std::string ComputationalGraph::receiver_name(int index) const {
  const Receiver& input = receivers_[static_cast<std::size_t>(index)];
  if (input.kind == ReceiverKind::logits) return "logits";
  if (input.kind == ReceiverKind::mlp) return mlp_name(input.layer);
  const bool shared = input.kind != ReceiverKind::q && shape_.n_kv_heads != shape_.n_heads;
  std::string name = head_name(input.layer, shared ? ".kv" : ".h", input.head);
  name.append(input.kind == ReceiverKind::q ? "<q>" : input.kind == ReceiverKind::k ? "<k>" : "<v>");
  return name;
}

std::string ComputationalGraph::edge_name(std::int64_t edge) const {
  const EdgeEnds both = ends(edge);
  return sender_name(both.sender) + "->" + receiver_name(both.receiver);
}

Result<int> ComputationalGraph::find_sender(std::string_view name) const {
  if (name == "input") return 0;
  const auto layer = parse_mlp(name);
  if (layer && shape_.mlp && *layer < shape_.n_layers) return sender(SenderKind::mlp, *layer, -1);
  const auto head = parse_head(name);
  if (head && !head->kv && head->layer < shape_.n_layers && head->head < shape_.n_heads)
    return sender(SenderKind::head, head->layer, head->head);
  return make_error(ErrorCode::not_found,
                    "is no node of this model; its nodes are input, a0.h0 to " +
                        sender_name(static_cast<int>(senders_.size()) - (shape_.mlp ? 2 : 1)) +
                        (shape_.mlp ? ", m0 to " + sender_name(static_cast<int>(senders_.size()) - 1) : ""),
                    {}, std::string(name));
}

Result<int> ComputationalGraph::find_receiver(std::string_view name) const {
  const auto fail = [&] {
    return make_error(ErrorCode::not_found,
                      "is no input of this model; inputs are named like " + receiver_name(0) + ", " +
                          receiver_name(static_cast<int>(shape_.n_heads)) + (shape_.mlp ? ", m0" : "") + ", logits",
                      {}, std::string(name));
  };
  if (name == "logits") return receiver(ReceiverKind::logits, -1, -1);
  const auto layer = parse_mlp(name);
  if (layer && shape_.mlp && *layer < shape_.n_layers) return receiver(ReceiverKind::mlp, *layer, -1);
  if (name.size() < 3 || name.back() != '>' || name[name.size() - 3] != '<') return fail();
  const char letter = name[name.size() - 2];
  const auto head = parse_head(name.substr(0, name.size() - 3));
  if (!head || head->layer >= shape_.n_layers) return fail();
  if (letter == 'q' && !head->kv && head->head < shape_.n_heads)
    return receiver(ReceiverKind::q, head->layer, head->head);
  if (letter != 'k' && letter != 'v') return fail();
  if (head->head >= (head->kv ? shape_.n_kv_heads : shape_.n_heads)) return fail();
  const int kv = head->kv ? head->head : head->head / static_cast<int>(shape_.n_heads / shape_.n_kv_heads);
  return receiver(letter == 'k' ? ReceiverKind::k : ReceiverKind::v, head->layer, kv);
}

Result<std::int64_t> ComputationalGraph::find_edge(std::string_view name) const {
  const std::size_t arrow = name.find("->");
  if (arrow == std::string_view::npos)
    return make_error(ErrorCode::not_found, "is no edge; edges are named like " + edge_name(0), {}, std::string(name));
  HS_ASSIGN(const int from, find_sender(name.substr(0, arrow)));
  HS_ASSIGN(const int to, find_receiver(name.substr(arrow + 2)));
  if (from >= receivers_[static_cast<std::size_t>(to)].reads)
    return make_error(ErrorCode::not_found, "is no edge: it would go back in the forward pass", {}, std::string(name));
  return edge({from, to});
}

} // namespace headscope
