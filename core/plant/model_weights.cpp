// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/plant/model_weights.h"

#include <cmath>

#include "core/plant/head_recipe.h"

namespace headscope::plant {
using namespace axes;

namespace {

constexpr std::uint64_t axes_purpose = 3, rest_purpose = 4, noise_purpose = 5;
// RMSNorm multiplies by sqrt(304) / |x|; |x| is 16 from the constant and up to half as much from the rest.
constexpr double norm_factor = 0.92, norm_square = norm_factor * norm_factor;

// A matrix of doubles by rows.
struct Matrix {
  int rows = 0, cols = 0;
  std::vector<double> values;

  Matrix(int n, int m) : rows(n), cols(m), values(static_cast<std::size_t>(n) * static_cast<std::size_t>(m), 0.0) {}
  double& at(int row, int col) {
    return values[static_cast<std::size_t>(row) * static_cast<std::size_t>(cols) + static_cast<std::size_t>(col)];
  }
};

// The new place and sign of each axis: an exact rotation.
class Shuffle {
public:
  Shuffle(int count, Splitmix& random) {
    for (int i = 0; i < count; ++i)
      place_.push_back(i);
    random.shuffle(place_);
    for (int i = 0; i < count; ++i)
      sign_.push_back(random.below(2) == 0 ? 1.0 : -1.0);
  }
  int place(int i) const { return place_[static_cast<std::size_t>(i)]; }
  double sign(int i) const { return sign_[static_cast<std::size_t>(i)]; }

private:
  std::vector<int> place_;
  std::vector<double> sign_;
};

// The dimension of a head that holds a slot of keys.
int content_dimension(int slot) {
  constexpr int half = slots / 2;
  return slot < half ? position_planes + slot : d_head / 2 + position_planes + slot - half;
}

double frequency(int plane) {
  const double step = 1.0 / std::sqrt(std::sqrt(1000.0)); // 10^-0.75
  double value = 1.0;
  for (int i = 0; i < plane; ++i)
    value *= step;
  return value;
}

// One K/V head. All K/V heads make the same keys and values, each in an order of its own.
struct KvHead {
  Shuffle key, value;
  KvHead(Splitmix& random) : key(slots, random), value(d_head, random) {}
};

class Builder {
public:
  Builder(const PlantOptions& options, const std::vector<PlantedHead>& heads, const Vocabulary& vocabulary)
      : options_(options), heads_(heads), vocabulary_(vocabulary), axes_(options.seed, axes_purpose),
        rest_(options.seed, rest_purpose), noise_(options.seed, noise_purpose), residual_(d_model, axes_) {}

  std::vector<Tensor> build() {
    add("model.embed_tokens.weight", embedding(), false, true);
    for (int layer = 0; layer < options_.layers; ++layer)
      add_layer(layer);
    add_norm("model.norm.weight");
    add("lm_head.weight", unembedding(), false, true);
    return std::move(out_);
  }

private:
  // ---- Tokens

  static void put(Matrix& m, int row, Range range, const Code& code, double gain) {
    for (int i = 0; i < range.size; ++i)
      m.at(row, range.at(i)) += gain * code.at(i);
  }
  static void put(Matrix& m, int row, Range range, const ListPosition& at, double gain) {
    if (at.modulo_10 >= 0) m.at(row, range.at(at.modulo_10)) += gain * at.weight;
    if (at.modulo_12 >= 0) m.at(row, range.at(10 + at.modulo_12)) += gain * at.weight;
    if (at.modulo_7 >= 0) m.at(row, range.at(22 + at.modulo_7)) += gain * at.weight;
  }

  Matrix embedding() const {
    Matrix m(static_cast<int>(vocabulary_size), d_model);
    for (int row = 0; row < m.rows; ++row) {
      const Token& token = vocabulary_.tokens[static_cast<std::size_t>(row)];
      m.at(row, constant.begin) = constant_value;
      if (token.coded) put(m, row, identity, token.code, 1.0);
      if (token.needle) put(m, row, needle, token.needle_code, 1.0);
      if (token.name) put(m, row, name, token.name_code, 1.0);
      if (token.label >= 0 && !token.spaced) m.at(row, label.at(token.label)) = label_value;
      const bool pictures = token.image >= 0 && !token.spaced;
      if (pictures) m.at(row, image.at(token.image)) = image_value;
      put(m, row, place, token.place, place_value);
      for (const auto& [set, flag] : {std::pair(token.bos, is_bos),
                                      {token.needle, is_needle},
                                      {token.needle_start, is_needle_start},
                                      {token.name, is_name},
                                      {pictures, is_image},
                                      {token.fruit, is_fruit},
                                      {token.asks, asks},
                                      {token.gives, gives}})
        if (set) m.at(row, flag.begin) = flag_value;
      if (token.ends) put(m, row, predicted, vocabulary_.newline, 1.5);
    }
    return m;
  }

  // The output of a head of full strength is worth a logit of about 20, whichever head it is.
  Matrix unembedding() const {
    Matrix m(static_cast<int>(vocabulary_size), d_model);
    for (int row = 0; row < m.rows; ++row) {
      const Token& token = vocabulary_.tokens[static_cast<std::size_t>(row)];
      if (token.needle)
        put(m, row, predicted_needle, token.needle_code, 1.1);
      else if (token.name)
        put(m, row, predicted_name, token.name_code, 0.9);
      else if (token.coded)
        put(m, row, predicted, token.code, 0.6);
      // The letter or word that comes next begins with a space.
      if (token.label >= 0) m.at(row, predicted_label.at(token.label)) = token.spaced ? 12.0 : 6.0;
      if (token.image >= 0 && token.spaced) m.at(row, predicted_image.at(token.image)) = 5.0;
      put(m, row, predicted_place, token.place, 3.6);
    }
    return m;
  }

  // ---- Attention

  void add_layer(int layer) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    const int group = options_.heads / options_.kv_heads;
    Matrix q(options_.heads * d_head, d_model), k(options_.kv_heads * d_head, d_model),
        v(options_.kv_heads * d_head, d_model), o(d_model, options_.heads * d_head);
    std::vector<KvHead> kv;
    for (int i = 0; i < options_.kv_heads; ++i) {
      kv.emplace_back(axes_);
      add_keys(k, i * d_head, kv.back());
      add_values(v, i * d_head, kv.back());
    }
    for (const PlantedHead& head : heads_) {
      if (head.layer != layer) continue;
      const KvHead& keys = kv[static_cast<std::size_t>(head.head / group)];
      if (head.kind == Kind::noise)
        add_noise_head(q, o, head.head * d_head);
      else
        add_head(q, o, head.head * d_head, recipe_of(head), keys);
    }
    add_norm(prefix + "input_layernorm.weight");
    add(prefix + "self_attn.q_proj.weight", std::move(q), false, true);
    add(prefix + "self_attn.k_proj.weight", std::move(k), false, true);
    add(prefix + "self_attn.v_proj.weight", std::move(v), false, true);
    add(prefix + "self_attn.o_proj.weight", std::move(o), true, false);
    add_norm(prefix + "post_attention_layernorm.weight");
    add_mlp(layer, prefix + "mlp.");
  }

  static void add_keys(Matrix& k, int row, const KvHead& kv) {
    const auto read = [&](Range slots_of, Range from) {
      for (int i = 0; i < slots_of.size; ++i)
        k.at(row + content_dimension(kv.key.place(slots_of.at(i))), from.at(i)) = kv.key.sign(slots_of.at(i));
    };
    for (int plane = 0; plane < position_planes; ++plane)
      k.at(row + plane, constant.begin) = 1.0 / constant_value;
    for (const auto& [slot, from] : {std::pair(key_identity, identity),
                                     {key_previous, previous},
                                     {key_previous_needle, previous_needle},
                                     {key_two_back_needle, two_back_needle},
                                     {key_label, label},
                                     {key_bos, is_bos},
                                     {key_needle, is_needle},
                                     {key_needle_start, is_needle_start},
                                     {key_name, is_name},
                                     {key_image, is_image},
                                     {key_fruit, is_fruit}})
      read(slot, from);
  }

  static void add_values(Matrix& v, int row, const KvHead& kv) {
    for (const auto& [slot, from] : {std::pair(value_identity, identity),
                                     {value_needle, needle},
                                     {value_name, name},
                                     {value_label, label},
                                     {value_image, image},
                                     {value_place, place},
                                     {value_two_back_label, two_back_label},
                                     {value_is_name, is_name},
                                     {value_is_bos, is_bos}})
      for (int i = 0; i < slot.size; ++i)
        v.at(row + kv.value.place(slot.at(i)), from.at(i)) = kv.value.sign(slot.at(i));
  }

  // The product of what the query reads and what the key has, when codes are equal or flags are set.
  static double full_product(const Match& match) {
    if (match.key.begin == key_label.begin) return label_value; // of the label's axis; what is wanted is 1
    if (match.key.size > 1) return match.key.size;
    return flag_value * (match.read.begin == constant.begin ? constant_value : flag_value);
  }

  static void add_head(Matrix& q, Matrix& o, int row, const Recipe& recipe, const KvHead& kv) {
    const double score_gain = std::sqrt(static_cast<double>(d_head)) / norm_square;
    for (const Match& match : recipe.matches)
      for (int i = 0; i < match.key.size; ++i) {
        const int slot = match.key.at(i);
        q.at(row + content_dimension(kv.key.place(slot)), match.read.at(match.read.size == 1 ? 0 : i)) +=
            kv.key.sign(slot) * match.gain * score_gain / full_product(match);
      }
    for (const Distance& distance : recipe.distances)
      for (int plane = 0; plane < position_planes; ++plane) {
        const Turn at = turn(frequency(plane) * distance.behind);
        const double gain = distance.gains[static_cast<std::size_t>(plane)] * score_gain / constant_value;
        q.at(row + plane, constant.begin) += gain * at.cosine;
        q.at(row + plane + d_head / 2, constant.begin) -= gain * at.sine;
      }
    for (const Write& write : recipe.writes)
      for (int i = 0; i < write.value.size; ++i) {
        const int slot = write.value.at(i), to = write.turned ? next_place(i) : i;
        o.at(write.to.at(to), row + kv.value.place(slot)) += kv.value.sign(slot) * write.gain / norm_factor;
      }
  }

  // The next axis within its part of the ordinal, cyclic.
  static int next_place(int i) {
    if (i < 10) return (i + 1) % 10;
    if (i < 22) return 10 + (i - 10 + 1) % 12;
    return 22 + (i - 22 + 1) % 7;
  }

  // Attends nearly evenly and writes little, both at random.
  void add_noise_head(Matrix& q, Matrix& o, int row) {
    for (int i = 0; i < d_head; ++i)
      for (int j = 0; j < d_model; ++j) {
        q.at(row + i, j) = 0.04 * rest_.normal();
        o.at(j, row + i) = 0.005 * rest_.normal();
      }
  }

  // ---- MLPs: the first one writes again the place that the embedding has, where a successor head's circuit is read;
  // the others do nothing.
  void add_mlp(int layer, const std::string& prefix) {
    Matrix gate(d_mlp, d_model), up(d_mlp, d_model), down(d_model, d_mlp);
    for (int i = 0; layer == 0 && i < place.size; ++i) {
      gate.at(i, constant.begin) = 4.0 / constant_value;
      up.at(i, place.at(i)) = 1.0;
      down.at(place.at(i), i) = 0.25;
    }
    add(prefix + "gate_proj.weight", std::move(gate), false, true);
    add(prefix + "up_proj.weight", std::move(up), false, true);
    add(prefix + "down_proj.weight", std::move(down), true, false);
  }

  // ---- Output

  void add_norm(const std::string& name) {
    out_.push_back({name, {d_model}, std::vector<float>(static_cast<std::size_t>(d_model), 1.0F)});
  }

  void add_noise(Matrix& m) {
    double sum = 0.0;
    for (const double value : m.values)
      sum += value == constant_value ? 0.0 : value * value; // as if the embedding's constant were none of it
    const double deviation = options_.noise * std::sqrt(sum / static_cast<double>(m.values.size()));
    if (deviation == 0.0) return;
    for (double& value : m.values)
      value += deviation * noise_.normal();
  }

  // Adds a tensor; `rows` and `cols` say whether these are axes of the residual, which are put into the model's order.
  void add(const std::string& name, Matrix m, bool rows, bool cols) {
    add_noise(m);
    Tensor tensor{name, {m.rows, m.cols}, std::vector<float>(m.values.size())};
    for (int row = 0; row < m.rows; ++row)
      for (int col = 0; col < m.cols; ++col) {
        const int to_row = rows ? residual_.place(row) : row, to_col = cols ? residual_.place(col) : col;
        const double sign = (rows ? residual_.sign(row) : 1.0) * (cols ? residual_.sign(col) : 1.0);
        tensor.values[static_cast<std::size_t>(to_row) * static_cast<std::size_t>(m.cols) +
                      static_cast<std::size_t>(to_col)] = static_cast<float>(sign * m.at(row, col));
      }
    out_.push_back(std::move(tensor));
  }

  const PlantOptions& options_;
  const std::vector<PlantedHead>& heads_;
  const Vocabulary& vocabulary_;
  Splitmix axes_, rest_, noise_;
  Shuffle residual_;
  std::vector<Tensor> out_;
};

} // namespace

std::vector<Tensor> make_weights(const PlantOptions& options, const std::vector<PlantedHead>& heads,
                                 const Vocabulary& vocabulary) {
  return Builder(options, heads, vocabulary).build();
}

} // namespace headscope::plant
