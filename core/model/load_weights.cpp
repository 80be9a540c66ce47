// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/model/load_weights.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <mutex>

#include <ATen/ATen.h>

#include "core/io/read_tensor.h"
#include "core/model/guard.h"
#include "core/model/weight_memory.h"

namespace headscope {
namespace {

using Shape = std::vector<std::int64_t>;

std::string spelled(const Shape& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i)
    text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

struct Name {
  std::string full;
  bool optional = false;
};

// Expands one spelling: without the prefix for a name with '/', to nothing for an empty one.
std::string expand(std::string text, const std::string& prefix, int layer) {
  const bool bare = !text.empty() && text[0] == '/';
  if (bare) text.erase(0, 1);
  if (const auto hole = text.find("{}"); hole != std::string::npos) text.replace(hole, 2, std::to_string(layer));
  return text.empty() || bare ? text : prefix + text;
}

// Finds the first spelling that the file has, or returns the first.
Name find_name(const Checkpoint& checkpoint, const std::string& pattern, const std::string& prefix, int layer) {
  Name name;
  name.optional = !pattern.empty() && pattern[0] == '?';
  for (std::size_t begin = name.optional ? 1 : 0; begin <= pattern.size();) {
    const std::size_t end = std::min(pattern.find('|', begin), pattern.size());
    const std::string full = expand(pattern.substr(begin, end - begin), prefix, layer);
    if (name.full.empty()) name.full = full;
    if (checkpoint.find(full)) {
      name.full = full;
      break;
    }
    begin = end + 1;
  }
  return name;
}

// The prefix of the names, and what the embedding is called.
struct Start {
  std::string prefix;
  std::string embed;
};

// Finds prefix and embedding. Where embedding and unembedding are tied, the file may have only the latter's name.
Result<Start> find_start(const Checkpoint& checkpoint, const TensorNames& names, bool tied) {
  for (const std::string& prefix : names.prefixes)
    if (checkpoint.find(prefix + names.embed)) return Start{prefix, prefix + names.embed};
  for (const std::string& prefix : names.prefixes) {
    const Name head = find_name(checkpoint, names.unembed, prefix, 0);
    const Name block = find_name(checkpoint, names.q_w.empty() ? names.qkv_w : names.q_w, prefix, 0);
    if (tied && checkpoint.find(head.full) && checkpoint.find(block.full)) return Start{prefix, head.full};
  }
  return make_error(ErrorCode::corrupt, "this tensor is missing; the file may be of another architecture",
                    checkpoint.path(), names.prefixes.front() + names.embed);
}

std::string required(const std::string& pattern) {
  return !pattern.empty() && pattern[0] == '?' ? pattern.substr(1) : pattern;
}

// Which biases a model has, the same in all layers.
struct Biases {
  bool qkv = false, o = false, gate = false, in = false, out = false;
};

// Whether to read, or only to check that every tensor is there with its shape. The check takes no memory, so a file
// that lacks a tensor, or a config of other sizes, is refused before anything is allocated.
enum class Pass { check, read };

// State that the readers of one model share.
struct ReadSoFar {
  std::mutex mutex; // of the progress
  std::int64_t bytes = 0;
  std::atomic<bool> failed = false;
};

class WeightReader {
public:
  WeightReader(const Checkpoint& checkpoint, const FormatRules& rules, const ModelConfig& config,
               const LoadOptions& options, const Start& start, Pass pass)
      : checkpoint_(checkpoint), rules_(rules), names_(rules.names), config_(config), options_(options),
        prefix_(start.prefix), embed_(start.embed), pass_(pass), biases_(find_biases()),
        so_far_(std::make_shared<ReadSoFar>()), workers_(pass == Pass::read ? options.threads : 1) {}
  // A reader for one of several threads.
  explicit WeightReader(const WeightReader& whole)
      : checkpoint_(whole.checkpoint_), rules_(whole.rules_), names_(whole.names_), config_(whole.config_),
        options_(whole.options_), prefix_(whole.prefix_), embed_(whole.embed_), pass_(whole.pass_),
        biases_(whole.biases_), so_far_(whole.so_far_), workers_(1) {}

  ModelWeights read();
  const std::optional<Error>& error() const { return error_; }

private:
  Biases find_biases() const;
  void read_blocks(std::vector<BlockWeights>& blocks);
  BlockWeights read_block(int layer);
  void read_qkv(BlockWeights& block, int layer);
  void read_mlp(BlockWeights& block, int layer);
  void read_unembed(ModelWeights& weights);
  NormWeights norm(const std::string& w, const std::string& b, int layer, std::int64_t size);
  // Reads a norm that may be of another kind than the blocks', or without weights.
  NormWeights norm_of(NormKind kind, const std::string& w, const std::string& b, int layer, std::int64_t size);
  Name name(const std::string& pattern, int layer) const { return find_name(checkpoint_, pattern, prefix_, layer); }
  bool adjacent_pairs() const { return rules_.rotary_interleaved || config_.rotary_adjacent_pairs; }
  std::int64_t rotated() const { return config_.rotary_adjacent_pairs ? config_.rotary.front().dim : config_.d_head; }
  at::Tensor table(const std::string& name, const Shape& shape);
  at::Tensor vector(const std::string& pattern, int layer, std::int64_t size);

  // Fills rows [row, row + out) of `into` from a matrix in the file's layout, which has `heads` heads when it is by
  // head.
  enum class Role { by_head, plain, output };
  void matrix(const std::string& pattern, int layer, at::Tensor into, Role role, std::int64_t heads,
              std::vector<std::int64_t> row_order = {});
  // Reads a tensor of exactly this shape; false when it is optional and missing, or something failed.
  bool read_into(const Name& name, const Shape& shape, const at::Tensor& into,
                 std::vector<std::int64_t> row_order = {});
  bool present(const std::string& pattern, int layer) const;
  bool has_bias(std::initializer_list<std::string> patterns, std::optional<bool> by_config) const;

  // A temporary tensor on the CPU.
  at::Tensor scratch(const Shape& shape) const {
    return at::empty(shape,
                     at::TensorOptions().dtype(options_.dtype).device(pass_ == Pass::check ? at::kMeta : at::kCPU));
  }
  // Memory for a final tensor: it stays on the CPU, or is copied to the device and freed.
  at::Tensor empty(const Shape& shape) {
    const bool stays = pass_ == Pass::read && options_.device.is_cpu();
    return stays ? memory_.empty(shape, options_.dtype) : scratch(shape);
  }
  at::Tensor place(const at::Tensor& tensor) const {
    return !tensor.defined() || pass_ == Pass::check || options_.device.is_cpu() ? tensor : tensor.to(options_.device);
  }
  void fail(ErrorCode code, const std::string& message, const std::string& tensor);

  const Checkpoint& checkpoint_;
  const FormatRules& rules_;
  const TensorNames& names_;
  const ModelConfig& config_;
  const LoadOptions& options_;
  std::string prefix_;
  std::string embed_;
  Pass pass_;
  Biases biases_;
  std::shared_ptr<ReadSoFar> so_far_;
  Workers workers_;
  WeightMemory memory_;
  std::optional<Error> error_;
};

void WeightReader::fail(ErrorCode code, const std::string& message, const std::string& tensor) {
  if (!error_) error_ = make_error(code, message, checkpoint_.path(), tensor);
}

bool WeightReader::present(const std::string& pattern, int layer) const {
  return checkpoint_.find(name(pattern, layer).full);
}

bool WeightReader::has_bias(std::initializer_list<std::string> patterns, std::optional<bool> by_config) const {
  for (const std::string& pattern : patterns) {
    if (pattern.empty()) continue;
    if (pattern[0] != '?') return true;
    if (by_config) return *by_config;
    for (int layer = 0; layer < config_.n_layers; ++layer)
      if (present(pattern, layer)) return true;
  }
  return false;
}

Biases WeightReader::find_biases() const {
  return {.qkv = has_bias({names_.qkv_b, names_.q_b, names_.k_b, names_.v_b}, config_.attention_bias),
          .o = has_bias({names_.o_b}, config_.attention_bias),
          .gate = config_.gated_mlp && has_bias({names_.gate_b}, config_.mlp_bias),
          .in = has_bias({names_.in_b}, config_.mlp_bias),
          .out = has_bias({names_.out_b}, config_.mlp_bias)};
}

io::ElementType element_type(at::ScalarType dtype) {
  if (dtype == at::kBFloat16) return io::ElementType::bf16;
  return dtype == at::kHalf ? io::ElementType::f16 : io::ElementType::f32;
}

bool WeightReader::read_into(const Name& name, const Shape& shape, const at::Tensor& into,
                             std::vector<std::int64_t> row_order) {
  if (error_ || so_far_->failed || name.full.empty()) return false;
  throw_if_cancelled(options_.control.cancel);
  const io::TensorInfo* info = checkpoint_.find(name.full);
  if (!info) {
    if (!name.optional) fail(ErrorCode::corrupt, "this tensor is missing", name.full);
    return false;
  }
  if (info->shape != shape) {
    fail(ErrorCode::mismatch, "has shape " + spelled(info->shape) + ", the config wants " + spelled(shape), name.full);
    return false;
  }
  if (pass_ == Pass::check) {
    const Status readable = io::check_readable(*info, checkpoint_.file_of(*info).path());
    if (!readable.ok()) error_ = readable.error();
    return readable.ok();
  }
  const Status status = checkpoint_.read(name.full, into.data_ptr(), element_type(options_.dtype), workers_,
                                         std::nullopt, std::move(row_order));
  if (!status.ok()) {
    error_ = status.error();
    return false;
  }
  const std::lock_guard lock(so_far_->mutex);
  so_far_->bytes += static_cast<std::int64_t>(info->bytes);
  options_.control.report("loading weights", so_far_->bytes, checkpoint_.total_bytes());
  return true;
}

at::Tensor WeightReader::table(const std::string& name, const Shape& shape) {
  at::Tensor tensor = empty(shape);
  return read_into(this->name(name, 0), shape, tensor) ? place(tensor) : at::Tensor{};
}

at::Tensor WeightReader::vector(const std::string& pattern, int layer, std::int64_t size) {
  const Name name = this->name(pattern, layer);
  if (error_ || name.full.empty() || (name.optional && !checkpoint_.find(name.full))) return {};
  at::Tensor tensor = empty({size});
  // TransformerLens keeps biases of heads as [head, d_head].
  const io::TensorInfo* info = checkpoint_.find(name.full);
  Shape shape = {size};
  if (info && rules_.layout == MatrixLayout::transformer_lens && info->shape.size() == 2 &&
      info->shape[0] * info->shape[1] == size)
    shape = info->shape;
  return read_into(name, shape, tensor) ? tensor : at::Tensor{};
}

NormWeights WeightReader::norm(const std::string& w, const std::string& b, int layer, std::int64_t size) {
  if (config_.norm == NormKind::none || !config_.norm_has_weights) return {};
  return norm_of(config_.norm, w, b, layer, size);
}

NormWeights WeightReader::norm_of(NormKind kind, const std::string& w, const std::string& b, int layer,
                                  std::int64_t size) {
  NormWeights norm;
  norm.w = vector(w, layer, size);
  if (kind != NormKind::rms_norm) norm.b = vector(b, layer, size);
  if (norm.w.defined() && config_.norm_scale_in_float32) norm.w = norm.w.to(at::kFloat);
  if (norm.w.defined() && rules_.norm_offset != 0.0) norm.w = norm.w + rules_.norm_offset;
  norm.w = place(norm.w);
  norm.b = place(norm.b);
  return norm;
}

void WeightReader::matrix(const std::string& pattern, int layer, at::Tensor into, Role role, std::int64_t heads,
                          std::vector<std::int64_t> row_order) {
  const Name name = this->name(pattern, layer);
  if (error_ || name.full.empty()) return;
  const std::int64_t out = into.size(0), in = into.size(1);
  if (rules_.layout == MatrixLayout::out_in) {
    read_into(name, {out, in}, into, std::move(row_order));
    return;
  }
  if (rules_.layout == MatrixLayout::transformer_lens && role != Role::plain) {
    const bool output = role == Role::output;
    const std::int64_t d_head = (output ? in : out) / heads;
    at::Tensor stored = scratch(output ? Shape{heads, d_head, out} : Shape{heads, in, d_head});
    if (!read_into(name, stored.sizes().vec(), stored)) return;
    if (output)
      into.copy_(stored.view({in, out}).t());
    else
      into.view({heads, d_head, in}).copy_(stored.transpose(1, 2));
    return;
  }
  at::Tensor stored = scratch({in, out});
  if (read_into(name, {in, out}, stored)) into.copy_(stored.t());
}

// Moves the pairs (2i, 2i+1) among the first `dim` rows of each head to (i, i + dim/2).
void pair_halves(const at::Tensor& rows, std::int64_t heads, std::int64_t d_head, std::int64_t dim) {
  at::Tensor turned = rows.view({heads, d_head, -1}).narrow(1, 0, dim);
  turned.copy_(turned.unflatten(1, {dim / 2, 2}).transpose(1, 2).flatten(1, 2).clone());
}

// The same reordering, as the new index of each row.
std::vector<std::int64_t> halves_order(std::int64_t heads, std::int64_t d_head) {
  std::vector<std::int64_t> order;
  for (std::int64_t row = 0; row < heads * d_head; ++row) {
    const std::int64_t in_head = row % d_head;
    order.push_back(row - in_head + in_head / 2 + in_head % 2 * (d_head / 2));
  }
  return order;
}

// Reorders rows from [head, (q, k, v), d_head] to all q, then all k, then all v.
void ungroup_heads(at::Tensor rows, std::int64_t heads, std::int64_t d_head) {
  const at::Tensor grouped = rows.view({heads, 3, d_head, -1}).transpose(0, 1).clone();
  rows.view({3, heads, d_head, -1}).copy_(grouped);
}

void WeightReader::read_qkv(BlockWeights& block, int layer) {
  const std::int64_t d_head = config_.d_head, q = config_.n_heads * d_head, kv = config_.n_kv_heads * d_head;
  block.w_qkv = empty({q + 2 * kv, config_.d_model});
  if (biases_.qkv) block.b_qkv = empty({q + 2 * kv});
  const auto bias = [&](const std::string& pattern, std::int64_t begin, std::int64_t size) {
    if (!biases_.qkv || error_) return;
    const at::Tensor read = vector(required(pattern), layer, size);
    if (read.defined()) block.b_qkv.narrow(0, begin, size).copy_(read);
  };
  const bool fused = !names_.qkv_w.empty() && (names_.q_w.empty() || present(names_.qkv_w, layer));
  // Separate matrices are read in the right order, rather than reordered afterwards.
  const bool ordered = !fused && rules_.rotary_interleaved && rules_.layout == MatrixLayout::out_in;
  const auto order = [&](std::int64_t heads) {
    return ordered ? halves_order(heads, d_head) : std::vector<std::int64_t>{};
  };
  if (fused) {
    matrix(required(names_.qkv_w), layer, block.w_qkv, Role::plain, config_.n_heads);
    bias(names_.qkv_b, 0, q + 2 * kv);
  } else {
    matrix(names_.q_w, layer, block.w_qkv.narrow(0, 0, q), Role::by_head, config_.n_heads, order(config_.n_heads));
    matrix(names_.k_w, layer, block.w_qkv.narrow(0, q, kv), Role::by_head, config_.n_kv_heads,
           order(config_.n_kv_heads));
    matrix(names_.v_w, layer, block.w_qkv.narrow(0, q + kv, kv), Role::by_head, config_.n_kv_heads);
    bias(names_.q_b, 0, q);
    bias(names_.k_b, q, kv);
    bias(names_.v_b, q + kv, kv);
  }
  for (const at::Tensor& rows : {block.w_qkv, block.b_qkv}) {
    if (error_ || !rows.defined()) continue;
    if (rules_.qkv_by_head) ungroup_heads(rows, config_.n_heads, d_head);
    if (!adjacent_pairs() || (ordered && rows.is_same(block.w_qkv))) continue;
    pair_halves(rows.narrow(0, 0, q), config_.n_heads, d_head, rotated());
    pair_halves(rows.narrow(0, q, kv), config_.n_kv_heads, d_head, rotated());
  }
  block.w_qkv = place(block.w_qkv);
  block.b_qkv = place(block.b_qkv);
}

void WeightReader::read_mlp(BlockWeights& block, int layer) {
  const std::int64_t d_mlp = config_.d_mlp, rows = config_.gated_mlp ? 2 * d_mlp : d_mlp;
  block.w_in = empty({rows, config_.d_model});
  if (config_.gated_mlp) matrix(names_.gate_w, layer, block.w_in.narrow(0, 0, d_mlp), Role::plain, 1);
  matrix(names_.in_w, layer, block.w_in.narrow(0, rows - d_mlp, d_mlp), Role::plain, 1);
  const bool behind = config_.mlp_bias_after_gate;
  if (biases_.in && behind) block.b_post = place(vector(required(names_.in_b), layer, d_mlp));
  if ((biases_.in && !behind) || biases_.gate) block.b_in = empty({rows}).zero_();
  if (biases_.gate)
    if (const at::Tensor b = vector(required(names_.gate_b), layer, d_mlp); b.defined())
      block.b_in.narrow(0, 0, d_mlp).copy_(b);
  if (biases_.in && !behind)
    if (const at::Tensor b = vector(required(names_.in_b), layer, d_mlp); b.defined())
      block.b_in.narrow(0, rows - d_mlp, d_mlp).copy_(b);
  block.w_out = empty({config_.d_model, d_mlp});
  matrix(names_.out_w, layer, block.w_out, Role::plain, 1);
  if (biases_.out) block.b_out = place(vector(required(names_.out_b), layer, config_.d_model));
  block.b_in = place(block.b_in);
  block.w_in = place(block.w_in);
  block.w_out = place(block.w_out);
}

BlockWeights WeightReader::read_block(int layer) {
  BlockWeights block;
  const std::int64_t d_model = config_.d_model;
  block.ln1 = norm(names_.ln1_w, names_.ln1_b, layer, d_model);
  read_qkv(block, layer);
  if (config_.qk_norm) {
    block.q_norm = norm_of(NormKind::rms_norm, names_.q_norm_w, "", layer, config_.d_head);
    block.k_norm = norm_of(NormKind::rms_norm, names_.k_norm_w, "", layer, config_.d_head);
    for (const at::Tensor& w : {block.q_norm.w, block.k_norm.w})
      if (adjacent_pairs() && w.defined() && !error_) pair_halves(w, 1, config_.d_head, rotated());
  }
  block.w_o = empty({d_model, config_.n_heads * config_.d_head});
  matrix(names_.o_w, layer, block.w_o, Role::output, config_.n_heads);
  block.w_o = place(block.w_o);
  if (biases_.o) block.b_o = place(vector(required(names_.o_b), layer, d_model));
  if (config_.post_norms) block.ln1_post = norm_of(NormKind::rms_norm, names_.ln1_post_w, "", layer, d_model);
  if (!config_.has_mlp()) return block;
  block.ln2 = norm(names_.ln2_w, names_.ln2_b, layer, d_model);
  read_mlp(block, layer);
  if (config_.post_norms) block.ln2_post = norm_of(NormKind::rms_norm, names_.ln2_post_w, "", layer, d_model);
  return block;
}

void WeightReader::read_unembed(ModelWeights& weights) {
  weights.w_u = weights.w_e;
  const bool in_file = present(names_.unembed, 0);
  const bool needed = !names_.unembed.empty() && names_.unembed[0] != '?';
  if (config_.tied_embeddings ? *config_.tied_embeddings && !in_file : !in_file && !needed) return;
  if (this->name(names_.unembed, 0).full == embed_) return;
  at::Tensor unembed = empty({config_.n_logits(), config_.d_model});
  const std::string name = required(names_.unembed);
  if (rules_.layout == MatrixLayout::transformer_lens)
    matrix(name, 0, unembed, Role::plain, 1);
  else // a Linear even where the blocks have Conv1D
    read_into(this->name(name, 0), {config_.n_logits(), config_.d_model}, unembed);
  unembed = place(unembed);
  // A config may call different matrices tied; as in transformers, the file's matrices are then used.
  const bool tied =
      config_.tied_embeddings.value_or(false) && pass_ == Pass::read && !error_ && at::equal(unembed, weights.w_e);
  if (!tied) weights.w_u = unembed;
}

// Reads one block per thread: tensors are often smaller than a page of their memory, so a second thread in the same
// block would wait for the first.
void WeightReader::read_blocks(std::vector<BlockWeights>& blocks) {
  std::vector<std::unique_ptr<WeightReader>> idle;
  for (std::uint64_t i = 0; i < workers_.count(); ++i)
    idle.push_back(std::make_unique<WeightReader>(*this));
  std::mutex mutex;                                                           // of `idle` and `first`
  std::pair<std::uint64_t, std::exception_ptr> first{blocks.size(), nullptr}; // that failed
  workers_.run(blocks.size(), [&](std::uint64_t layer) {
    std::unique_lock lock(mutex);
    std::unique_ptr<WeightReader> reader = std::move(idle.back());
    idle.pop_back();
    lock.unlock();
    std::exception_ptr failure;
    try {
      blocks[layer] = reader->read_block(static_cast<int>(layer));
      if (reader->error_) failure = std::make_exception_ptr(ErrorException(*reader->error_));
    } catch (...) {
      failure = std::current_exception();
    }
    if (failure) so_far_->failed = true;
    lock.lock();
    if (failure && layer < first.first) first = {layer, failure};
    idle.push_back(std::move(reader));
  });
  if (first.second) std::rethrow_exception(first.second);
}

ModelWeights WeightReader::read() {
  ModelWeights weights;
  weights.w_e = empty({config_.d_vocab, config_.d_model});
  weights.w_e =
      read_into({embed_, false}, {config_.d_vocab, config_.d_model}, weights.w_e) ? place(weights.w_e) : at::Tensor{};
  if (config_.embed_norm)
    weights.ln_embed = norm_of(NormKind::layer_norm, names_.ln_embed_w, names_.ln_embed_b, 0, config_.d_model);
  if (config_.positions == PositionKind::learned)
    weights.w_pos = table(names_.pos_embed, {config_.n_ctx + config_.learned_position_offset, config_.d_model});
  if (error_) return weights;
  weights.blocks.resize(static_cast<std::size_t>(config_.n_layers));
  // For a GPU, blocks are read one after another: each is in CPU memory until it is copied.
  const bool together = pass_ == Pass::read && options_.device.is_cpu();
  if (together) read_blocks(weights.blocks);
  for (int layer = 0; !together && layer < config_.n_layers && !error_; ++layer)
    weights.blocks[static_cast<std::size_t>(layer)] = read_block(layer);
  if (config_.final_norm && config_.norm != NormKind::none && config_.norm_has_weights)
    weights.ln_final = norm_of(config_.last_norm(), names_.ln_final_w, names_.ln_final_b, 0, config_.d_model);
  read_unembed(weights);
  weights.b_u = place(vector(names_.unembed_b, 0, config_.n_logits()));
  return weights;
}

} // namespace

Result<std::int64_t> embedding_rows(const Checkpoint& checkpoint, const FormatRules& rules) {
  HS_ASSIGN(const Start start, find_start(checkpoint, rules.names, false));
  const io::TensorInfo* info = checkpoint.find(start.embed);
  if (info->shape.size() != 2)
    return make_error(ErrorCode::mismatch, "must have two axes, has shape " + spelled(info->shape), checkpoint.path(),
                      start.embed);
  return info->shape[0];
}

Result<ModelWeights> load_weights(const Checkpoint& checkpoint, const FormatRules& rules, const ModelConfig& config,
                                  const LoadOptions& options) {
  HS_ASSIGN(const Start start, find_start(checkpoint, rules.names, config.tied_embeddings.value_or(false)));
  ModelWeights weights;
  for (const Pass pass : {Pass::check, Pass::read}) {
    WeightReader reader(checkpoint, rules, config, options, start, pass);
    weights = reader.read();
    if (reader.error()) return *reader.error();
  }
  return weights;
}

} // namespace headscope
