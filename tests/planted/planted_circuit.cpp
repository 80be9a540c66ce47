// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/planted/planted_circuit.h"

#include <algorithm>
#include <numeric>
#include <random>

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

namespace headscope::test {
namespace {

using Ids = std::vector<std::int64_t>;

struct Axes {
  std::int64_t begin = 0, size = 0;
  Axes then(std::int64_t count) const { return {begin + size, count}; }
};

struct PlantedHead {
  int layer = 0, head = 0;
};

std::string name_of(PlantedHead place) {
  std::string name = "a";
  return name.append(std::to_string(place.layer)).append(".h").append(std::to_string(place.head));
}

// A matrix on the residual stream before rotation: sum of outer(e[a + i], e[b + i]).
at::Tensor pairs_of(std::int64_t d, Axes a, Axes b, double gain) {
  at::Tensor m = at::zeros({d, d});
  for (std::int64_t i = 0; i < a.size; ++i)
    m[a.begin + i][b.begin + i] = gain;
  return m;
}

// Weights from what heads compare (query axes x key axes) and what they write (to axes x from axes). Keys and values of
// every K/V head are the whole residual stream, rotated, so that any head can be in any group of grouped queries. The
// residual stream is rotated as a whole, so that no axis has a meaning.
class Builder {
public:
  Builder(const PlantedShape& shape, std::int64_t d_model, std::int64_t d_vocab, std::int64_t n_ctx)
      : shape_(shape), d_(d_model), random_(at::make_generator<at::CPUGeneratorImpl>(shape.seed)),
        choices_(shape.seed) {
    ModelConfig& c = config_;
    c.n_layers = shape.layers;
    c.n_heads = shape.heads;
    c.n_kv_heads = shape.kv_heads;
    c.d_model = c.d_head = d_model;
    c.d_mlp = 16;
    c.d_vocab = d_vocab;
    c.n_ctx = n_ctx;
    c.norm = NormKind::none;
    c.final_norm = c.gated_mlp = false;
    c.activation = Activation::gelu;
    c.positions = PositionKind::learned;
    c.attn_scale = 1.0;
    c.layers.resize(static_cast<std::size_t>(shape.layers));
    for (int i = 0; i < shape.layers * shape.heads; ++i) {
      compares_.push_back(0.1 * normal({d_, d_}));
      writes_.push_back(0.005 * normal({d_, d_}));
    }
  }

  // Chooses heads in ascending layers, each with another head beside it.
  std::vector<std::pair<PlantedHead, PlantedHead>> choose(int count) {
    std::vector<int> layers(static_cast<std::size_t>(shape_.layers)), heads(static_cast<std::size_t>(shape_.heads));
    std::iota(layers.begin(), layers.end(), 0);
    std::shuffle(layers.begin(), layers.end(), choices_);
    std::sort(layers.begin(), layers.begin() + count);
    std::vector<std::pair<PlantedHead, PlantedHead>> out;
    for (int i = 0; i < count; ++i) {
      std::iota(heads.begin(), heads.end(), 0);
      std::shuffle(heads.begin(), heads.end(), choices_);
      const int layer = layers[static_cast<std::size_t>(i)];
      out.push_back({{layer, heads[0]}, {layer, heads[1]}});
    }
    return out;
  }

  void set(PlantedHead place, const at::Tensor& compares, const at::Tensor& writes) {
    const auto i = static_cast<std::size_t>(place.layer * shape_.heads + place.head);
    compares_[i] = compares;
    writes_[i] = writes;
  }

  // Draws different numbers from first to last, in random order.
  Ids draw(std::int64_t first, std::int64_t last, std::size_t count) {
    Ids ids(static_cast<std::size_t>(last - first + 1));
    std::iota(ids.begin(), ids.end(), first);
    std::shuffle(ids.begin(), ids.end(), choices_);
    ids.resize(count);
    return ids;
  }

  std::shared_ptr<Model> build(Axes token, Axes position, Axes predicted) {
    auto model = std::make_shared<Model>();
    model->config = config_;
    const at::Tensor turn = rotation(), axes = at::eye(d_);
    ModelWeights& w = model->weights;
    w.w_e = at::matmul(axes.narrow(0, token.begin, token.size), turn);
    w.w_pos = at::matmul(axes.narrow(0, position.begin, position.size), turn);
    w.w_u = 5.0 * at::matmul(axes.narrow(0, predicted.begin, predicted.size), turn);
    for (int layer = 0; layer < shape_.layers; ++layer)
      w.blocks.push_back(block(layer, turn));
    return model;
  }

private:
  at::Tensor normal(at::IntArrayRef sizes) { return at::randn(sizes, random_); }
  at::Tensor rotation() { return std::get<0>(at::linalg_qr(normal({d_, d_}))); }

  BlockWeights block(int layer, const at::Tensor& turn) {
    std::vector<at::Tensor> q, k, v, o;
    for (int i = 0; i < shape_.kv_heads; ++i) {
      k.push_back(rotation());
      v.push_back(rotation());
    }
    const int group = shape_.heads / shape_.kv_heads;
    for (int head = 0; head < shape_.heads; ++head) {
      const auto i = static_cast<std::size_t>(layer * shape_.heads + head), kv = static_cast<std::size_t>(head / group);
      // q.k = x C y in the axes before the rotation.
      q.push_back(at::matmul(k[kv], at::matmul(compares_[i].t(), turn)));
      o.push_back(at::matmul(turn.t(), at::matmul(writes_[i], v[kv].t())));
    }
    for (int i = 0; i < shape_.kv_heads; ++i)
      for (auto* each : {&k, &v})
        (*each)[static_cast<std::size_t>(i)] = at::matmul((*each)[static_cast<std::size_t>(i)], turn);
    q.insert(q.end(), k.begin(), k.end());
    q.insert(q.end(), v.begin(), v.end());
    BlockWeights block;
    block.w_qkv = at::cat(q);
    block.w_o = at::cat(o, 1);
    block.w_in = 0.3 * normal({config_.d_mlp, d_});
    block.w_out = 0.005 * normal({d_, config_.d_mlp});
    return block;
  }

  PlantedShape shape_;
  std::int64_t d_;
  ModelConfig config_;
  at::Generator random_;
  std::mt19937_64 choices_;
  std::vector<at::Tensor> compares_, writes_; // [layer head]
};

// The wrong answer is in neither prompt, so that the metric rises all the way from the corrupt prompt to the clean one.
constexpr int pairs = 4;

} // namespace

PlantedCircuit plant_induction(const PlantedShape& shape) {
  constexpr std::int64_t tokens = 16, length = 8; // the first token is at the beginning of every prompt
  const Axes token{0, tokens}, position = token.then(length), before = position.then(tokens),
                               predicted = before.then(tokens), unread = predicted.then(tokens);
  const std::int64_t d = unread.begin + unread.size;
  Builder builder(shape, d, tokens, length);
  const auto places = builder.choose(2);
  const auto [previous, idler] = places[0];
  const auto [induction, gazer] = places[1];

  const at::Tensor one_back =
      pairs_of(d, {position.begin + 1, length - 1}, {position.begin, length - 1}, 4.0 * shape.sharpness);
  builder.set(previous, one_back, pairs_of(d, before, token, 1.0));
  builder.set(idler, one_back, pairs_of(d, unread, token, 1.0));
  const at::Tensor same = pairs_of(d, token, before, 4.0 * shape.sharpness);
  builder.set(induction, same, pairs_of(d, predicted, token, 1.0));
  builder.set(gazer, same, pairs_of(d, unread, token, 1.0));

  PlantedCircuit out;
  for (int i = 0; i < pairs; ++i) {
    const Ids ids = builder.draw(1, tokens - 1, 14);
    PatchPair pair;
    pair.clean = {0, ids[0], ids[1], ids[2], ids[3], ids[4], ids[5], ids[1]};
    pair.corrupt = {0, ids[6], ids[7], ids[8], ids[9], ids[10], ids[11], ids[12]};
    pair.answers = {{ids[2]}, {ids[13]}};
    out.pairs.push_back(std::move(pair));
  }
  out.edges = {"input->" + name_of(previous) + "<v>", name_of(previous) + "->" + name_of(induction) + "<k>",
               "input->" + name_of(induction) + "<q>", "input->" + name_of(induction) + "<v>",
               name_of(induction) + "->logits"};
  out.model = builder.build(token, position, predicted);
  return out;
}

PlantedCircuit plant_ioi(const PlantedShape& shape) {
  // Prompts are: start, name, and, name, verb, name, gives, to. Of the tokens the first is the start, then come names.
  constexpr std::int64_t names = 10, tokens = 1 + names + 4, length = 8, to = tokens - 1;
  const Axes token{0, tokens}, position = token.then(length), repeated = position.then(tokens),
                               shunned = repeated.then(tokens), predicted = shunned.then(tokens),
                               unread = predicted.then(tokens);
  const auto name_in = [&](Axes axes) { return Axes{axes.begin + 1, names}; };
  const std::int64_t d = unread.begin + unread.size;
  Builder builder(shape, d, tokens, length);
  const auto places = builder.choose(3);
  const auto [duplicate, idler] = places[0];
  const PlantedHead inhibition = places[1].first;
  const auto [mover, gazer] = places[2];

  // Attends to its own name elsewhere; otherwise to the start, where nothing is written.
  at::Tensor elsewhere = pairs_of(d, name_in(token), name_in(token), 6.0 * shape.sharpness);
  elsewhere.narrow(0, name_in(token).begin, names).select(1, 0).fill_(3.0 * shape.sharpness);
  elsewhere += pairs_of(d, position, position, -12.0 * shape.sharpness);
  builder.set(duplicate, elsewhere, pairs_of(d, name_in(repeated), name_in(token), 1.0));
  builder.set(idler, elsewhere, pairs_of(d, name_in(unread), name_in(token), 1.0));
  // Attends from the end to the third name.
  const at::Tensor third_name = pairs_of(d, {position.begin + 7, 1}, {position.begin + 5, 1}, 6.0 * shape.sharpness);
  builder.set(inhibition, third_name, pairs_of(d, shunned, repeated, 1.0));
  // Attends, at the end, to names except the inhibited one.
  at::Tensor other_name = pairs_of(d, shunned, token, -4.0 * shape.sharpness);
  other_name[to].narrow(0, name_in(token).begin, names).fill_(4.0 * shape.sharpness);
  builder.set(mover, other_name, pairs_of(d, predicted, token, 1.0));
  builder.set(gazer, other_name, pairs_of(d, unread, token, 1.0));

  PlantedCircuit out;
  for (int i = 0; i < pairs; ++i) {
    const Ids ids = builder.draw(1, names, 6);
    const std::int64_t first = ids[0], second = ids[1], subject = i % 2 == 0 ? first : second;
    const auto prompt = [](std::int64_t a, std::int64_t b, std::int64_t c) {
      return Ids{0, a, names + 1, b, names + 2, c, names + 3, to};
    };
    PatchPair pair;
    pair.clean = prompt(first, second, subject);
    pair.corrupt = prompt(ids[2], ids[3], ids[4]);
    pair.answers = {{first + second - subject}, {ids[5]}};
    out.pairs.push_back(std::move(pair));
  }
  const std::string dup = name_of(duplicate), inh = name_of(inhibition), move = name_of(mover);
  out.edges = {"input->" + dup + "<q>",   "input->" + dup + "<k>",  "input->" + dup + "<v>",  dup + "->" + inh + "<v>",
               inh + "->" + move + "<q>", "input->" + move + "<k>", "input->" + move + "<v>", move + "->logits"};
  out.model = builder.build(token, position, predicted);
  return out;
}

} // namespace headscope::test
