// SPDX-License-Identifier: GPL-3.0-or-later
// The method `activations`: writes activations of any hook points for any prompts to a file, or their statistics.
#include <filesystem>
#include <system_error>

#include <ATen/ATen.h>

#include "app/methods/activations/array_sink.h"
#include "app/methods/activations/which.h"
#include "app/methods/base/method.h"
#include "app/methods/base/values.h"
#include "app/methods/inputs/prompt_set.h"
#include "app/methods/inputs/tokens_per_run.h"
#include "app/runs/result_parts.h"
#include "core/prompts/corpus.h"

namespace headscope::methods {
namespace {

constexpr double largest_half = 65504.0;

struct ActivationOptions {
  PromptSetOptions prompts;
  std::string corpus;
  CorpusOptions cut;
  Which which;
  std::string precision = "float32", format = "hdf5", to;
  bool statistics = false, second_moment = false, replace = false;
  std::int64_t tokens_per_run = 0;
};

struct Texts {
  TokenRows rows;
  std::vector<std::string> ids;
};

// The rows of each text among all kept rows.
struct Spans {
  std::vector<std::int64_t> start, count;
  std::int64_t tokens = 0;

  std::int64_t tokens_of(std::int64_t texts) const {
    return texts < std::ssize(start) ? start[static_cast<std::size_t>(texts)] : tokens;
  }
};

Spans spans_of(const DumpRequest& request) {
  Spans spans;
  for (std::size_t text = 0; text < request.texts.size(); ++text) {
    spans.start.push_back(spans.tokens);
    spans.count.push_back(request.kept(text));
    spans.tokens += spans.count.back();
  }
  return spans;
}

at::Tensor as_rows(const std::vector<std::int64_t>& values) { return at::tensor(values, at::kLong); }

// ---- Descriptions of the arrays

store::Axis head_axis(const WantedSite& wanted) {
  store::Axis axis{hook_axes(wanted.site.point) == HookAxes::pos_kv_head_d ? "kv_head" : "head", {}};
  for (const std::int64_t head : wanted.heads)
    axis.labels.push_back(std::to_string(head));
  return axis;
}

store::ArraySpec spec_of(const ModelConfig& config, const WantedSite& wanted) {
  store::ArraySpec spec;
  spec.shape = token_shape(config, wanted);
  if (spec.shape.size() == 2) spec.axes.push_back(head_axis(wanted));
  spec.axes.push_back({"d", {}});
  spec.units = "1";
  return spec;
}

SinkArray activation_array(const ModelConfig& config, const WantedSite& wanted, std::int64_t tokens,
                           const std::string& precision) {
  store::ArraySpec spec = spec_of(config, wanted);
  spec.dtype = precision == "float16" ? store::DType::float16 : store::DType::float32;
  spec.axes.insert(spec.axes.begin(), {"token", {}});
  spec.shape.insert(spec.shape.begin(), tokens);
  spec.long_name = std::string("activation at ").append(hook_name(wanted.site));
  return {hook_name(wanted.site), spec};
}

SinkArray index_array(const char* name, std::int64_t tokens, const char* units, const char* what) {
  store::ArraySpec spec;
  spec.dtype = store::DType::int64;
  spec.axes = {{"token", {}}};
  spec.shape = {tokens};
  spec.units = units;
  spec.long_name = what;
  return {name, spec};
}

// The arrays mean and mean_square, and second_moment with `products`.
std::vector<SinkArray> statistics_arrays(const ModelConfig& config, const WantedSite& wanted, bool products) {
  store::ArraySpec spec = spec_of(config, wanted);
  spec.dtype = store::DType::float64;
  const std::string name = hook_name(wanted.site);
  const auto named = [&](const char* what, const char* meaning) {
    spec.long_name = std::string(meaning).append(" at ").append(name);
    return SinkArray{std::string(name).append("/").append(what), spec};
  };
  std::vector<SinkArray> arrays = {named("mean", "mean over tokens of the activation"),
                                   named("mean_square", "mean over tokens of the squared activation")};
  if (!products) return arrays;
  spec.axes.push_back({"d_other", {}});
  spec.shape.push_back(spec.shape.back());
  arrays.push_back(named("second_moment", "mean over tokens of x x^T of the activation"));
  return arrays;
}

// ---- One run

class Dump {
public:
  Dump(const ActivationOptions& options, const Work& work, DumpRequest request, std::vector<std::string> ids)
      : options_(options), work_(work), request_(std::move(request)), ids_(std::move(ids)), spans_(spans_of(request_)) {
  }

  Result<Report> run() {
    declare();
    HS_TRY(open());
    if (!options_.statistics) HS_TRY(write_indices());
    const ActivationRows take = [&](std::size_t site, std::int64_t first, const at::Tensor& rows) {
      return options_.statistics ? add(site, rows) : write(site, first, rows);
    };
    HS_ASSIGN(done_, dump_activations(work_.engine, request_, take, work_.context.control()));
    work_.context.finish_progress();
    if (options_.statistics) HS_TRY(write_statistics());
    HS_TRY(finish());
    if (too_large_ > 0)
      work_.context.warn(
          std::to_string(too_large_).append(" values are beyond float16's range; use --precision float32"));
    return report();
  }

private:
  void declare() {
    const ModelConfig& config = work_.engine.config();
    if (!options_.statistics) { // integers first, so that every array of a file begins at a multiple of its type
      arrays_ = {index_array("token_ids", spans_.tokens, "token id", "the token of each row"),
                 index_array("positions", spans_.tokens, "token", "its position in its prompt")};
      if (options_.format != "hdf5") arrays_.push_back(offsets_array());
      first_site_ = arrays_.size();
    }
    for (const WantedSite& wanted : request_.sites) {
      if (options_.statistics) {
        statistics_.emplace_back(options_.second_moment);
        for (SinkArray& array : statistics_arrays(config, wanted, options_.second_moment))
          arrays_.push_back(std::move(array));
      } else {
        arrays_.push_back(activation_array(config, wanted, spans_.tokens, options_.precision));
      }
    }
    for (const SinkArray& array : arrays_)
      rows_done_.push_back(array.spec.shape[0]);
  }

  SinkArray offsets_array() const {
    SinkArray array = index_array("offsets", std::ssize(ids_), "token", "first row of each prompt and how many it has");
    array.spec.axes = {{"prompt", ids_}, {"index", {"start", "count"}}};
    array.spec.shape = {std::ssize(ids_), 2};
    return array;
  }

  Status open() {
    const auto opened = [&]() -> Result<std::unique_ptr<ArraySink>> {
      if (options_.format == "npy") return npy_sink(options_.to, options_.replace, arrays_);
      if (options_.format == "safetensors") return safetensors_sink(options_.to, options_.replace, arrays_);
      return result_file_sink(*work_.writer, "/activations", arrays_);
    };
    HS_ASSIGN(sink_, opened());
    return {};
  }

  Status write_indices() {
    std::vector<std::int64_t> ids, positions, offsets;
    for (std::size_t text = 0; text < request_.texts.size(); ++text) {
      for (std::int64_t i = 0; i < spans_.count[text]; ++i) {
        positions.push_back(request_.positions.empty() ? i : request_.positions[text][static_cast<std::size_t>(i)]);
        ids.push_back(request_.texts[text][static_cast<std::size_t>(positions.back())]);
      }
      offsets.insert(offsets.end(), {spans_.start[text], spans_.count[text]});
    }
    HS_TRY(sink_->write(0, 0, as_rows(ids)));
    HS_TRY(sink_->write(1, 0, as_rows(positions)));
    if (options_.format != "hdf5") return sink_->write(2, 0, as_rows(offsets).view({-1, 2}));
    return work_.writer->add_table("/activations/offsets",
                                   {{{"prompt", ids_, "label", "the prompt"},
                                     {"start", spans_.start, "token", "its first row on the token axis"},
                                     {"count", spans_.count, "token", "how many rows it has"}},
                                    {}});
  }

  Status write(std::size_t site, std::int64_t first, const at::Tensor& rows) {
    if (options_.precision == "float16") too_large_ += (rows.abs() > largest_half).sum().item<std::int64_t>();
    return sink_->write(first_site_ + site, first, rows);
  }

  Status add(std::size_t site, const at::Tensor& rows) {
    statistics_[site].add(rows);
    return {};
  }

  Status write_statistics() {
    const std::size_t each = options_.second_moment ? 3 : 2;
    for (std::size_t site = 0; site < statistics_.size(); ++site) {
      const TokenStatistics& of_site = statistics_[site];
      const std::vector<at::Tensor> values = {of_site.mean(), of_site.mean_square(), of_site.second_moment()};
      for (std::size_t i = 0; i < each; ++i) {
        if (values[i].defined())
          HS_TRY(sink_->write(site * each + i, 0, values[i].contiguous()));
        else
          rows_done_[site * each + i] = 0; // interrupted before the first token
      }
    }
    return {};
  }

  bool complete() const { return done_ == std::ssize(request_.texts); }
  std::int64_t tokens_done() const { return spans_.tokens_of(done_); }

  Status finish() {
    if (!options_.statistics)
      for (std::size_t i = first_site_; i < arrays_.size(); ++i)
        rows_done_[i] = tokens_done();
    HS_TRY(sink_->finish(rows_done_));
    if (!work_.writer) return {};
    if (options_.format != "hdf5")
      return work_.writer->set_attributes("/activations", {{"format", options_.format}, {"prompts_done", done_}});
    store::Attributes about = {{"statistics", options_.statistics}, {"prompts_done", done_}};
    for (std::size_t site = 0; site < statistics_.size(); ++site)
      HS_TRY(work_.writer->set_attributes(std::string("/activations/").append(hook_name(request_.sites[site].site)),
                                          {{"tokens", statistics_[site].tokens()}}));
    return work_.writer->set_attributes("/activations", about);
  }

  Report report() const {
    nlohmann::json listed = nlohmann::json::array();
    std::vector<std::vector<std::string>> lines = {{"array", "shape", "type"}};
    for (std::size_t i = first_site_; i < arrays_.size(); ++i) {
      const store::ArraySpec& spec = arrays_[i].spec;
      nlohmann::json axes = nlohmann::json::array();
      std::string shape;
      for (std::size_t a = 0; a < spec.axes.size(); ++a) {
        axes.push_back(spec.axes[a].name);
        shape.append(a ? ", " : "").append(spec.axes[a].name).append(" ").append(std::to_string(spec.shape[a]));
      }
      listed.push_back({{"name", arrays_[i].name}, {"axes", std::move(axes)}, {"shape", spec.shape}});
      lines.push_back({arrays_[i].name, shape, store::to_string(spec.dtype)});
    }
    const std::string file = options_.format == "hdf5" ? work_.file : options_.to;
    const nlohmann::json json = {
        {"file", file},          {"format", options_.format}, {"arrays", std::move(listed)},
        {"prompts", done_},      {"tokens", tokens_done()},   {"statistics", options_.statistics},
        {"complete", complete()}};
    std::string text = aligned(lines);
    text.append(std::to_string(tokens_done())).append(" tokens of ").append(std::to_string(done_)).append(" prompts");
    return {json, text.append(" in ").append(file).append("\n"), complete()};
  }

  const ActivationOptions& options_;
  const Work& work_;
  DumpRequest request_;
  std::vector<std::string> ids_;
  Spans spans_;
  std::vector<SinkArray> arrays_;
  std::vector<std::int64_t> rows_done_; // of each array, the measured ones
  std::size_t first_site_ = 0;          // array of the first site
  std::unique_ptr<ArraySink> sink_;
  std::vector<TokenStatistics> statistics_;
  std::int64_t too_large_ = 0, done_ = 0;
};

// ---- The method

class Activations : public Method {
public:
  const MethodInfo& info() const override {
    static const MethodInfo info = {
        .id = "activations",
        .summary = "Store the activations of any hook points, or their means and second moments",
        .example =
            "headscope activations --model smollm2 --prompt 'The capital of France is' --names resid_post,hook_z "
            "--out activations.h5",
        .since = "0.2"};
    return info;
  }

  void inputs(OptionList& list) override {
    list_prompt_set_options(list, options_.prompts);
    list.add("corpus", options_.corpus, "A text file or a folder of them in place of prompts, cut into texts")
        .from("0.2")
        .reads_file();
    list.add("length", options_.cut.length, "Tokens of each text of the corpus, a BOS among them")
        .in("token")
        .from("0.2")
        .at_least(1);
    list.add("most_texts", options_.cut.most_texts, "The first texts of the corpus; 0: all")
        .in("text")
        .from("0.2")
        .at_least(0);
  }

  store::Attributes recorded_inputs() const override {
    store::Attributes used = option_attributes(options_.prompts);
    if (options_.corpus.empty()) return used;
    used.insert(
        used.end(),
        {{"corpus", options_.corpus}, {"length", options_.cut.length}, {"most_texts", options_.cut.most_texts}});
    return used;
  }

  void options(OptionList& list) override {
    list.add("names", options_.which.names,
             "Hook points: short names (resid_pre, z, mlp_post), TransformerLens's (blocks.3.attn.hook_z, hook_embed) "
             "and patterns (blocks.*.hook_mlp_out)")
        .from("0.2")
        .must();
    list.add("layers", options_.which.layers, "Layers: 0,3-5 or all").from("0.2");
    list.add("heads", options_.which.heads, "Of points with a head axis, these heads: 18.6,17.0-3 or all").from("0.2");
    list.add("positions", options_.which.positions, "Tokens of each prompt: all, last, 0,-1 or 1: (all but the first)")
        .from("0.2");
    list.add_choice("precision", options_.precision, {{"float32", ""}, {"float16", "half the size"}},
                    "Type of stored activations")
        .from("0.2");
    list.add_choice("format", options_.format,
                    {{"hdf5", "into the result file"}, {"npy", "a folder of .npy files"}, {"safetensors", "one file"}},
                    "Where the arrays go")
        .from("0.2");
    list.add("to", options_.to, "The folder of the .npy files, or the .safetensors file")
        .from("0.2")
        .unrecorded()
        .writes_file();
    list.add("replace", options_.replace, "Replace existing files there").from("0.2").unrecorded();
    list.add("statistics", options_.statistics, "Means and mean squares over all tokens in place of activations")
        .from("0.2");
    list.add("second_moment", options_.second_moment, "With --statistics also the mean of x x^T").from("0.2");
    list_tokens_per_run(list, options_.tokens_per_run).from("0.2");
  }

  Status check_inputs() override {
    if (options_.corpus.empty()) return check_prompt_set(options_.prompts);
    const PromptSetOptions& prompts = options_.prompts;
    if (!prompts.prompt.text.empty() || !prompts.prompt.file.empty() || !prompts.file.empty() || prompts.task.given())
      return make_error(ErrorCode::invalid_argument, "give prompts or a corpus, not both", {}, "--corpus");
    std::error_code error;
    if (!std::filesystem::exists(options_.corpus, error))
      return make_error(ErrorCode::not_found, "does not exist", options_.corpus, "--corpus");
    return {};
  }

  Status check_options() override {
    HS_TRY(parse_positions(options_.which.positions));
    if (options_.format == "hdf5" && !options_.to.empty())
      return make_error(ErrorCode::invalid_argument, "is of npy and safetensors; hdf5 goes to --out", {}, "--to");
    if (options_.format != "hdf5" && options_.to.empty())
      return make_error(ErrorCode::invalid_argument,
                        std::string("is needed: --format ").append(options_.format).append(" writes there"), {},
                        "--to");
    if (options_.second_moment && !options_.statistics)
      return make_error(ErrorCode::invalid_argument, "goes with --statistics", {}, "--second-moment");
    return {};
  }

  std::vector<std::int64_t> seeds() const override { return {static_cast<std::int64_t>(options_.prompts.task.seed)}; }

  Result<Report> run(const Work& work) override {
    if (options_.format == "hdf5" && !work.writer)
      return make_error(ErrorCode::invalid_argument, "is needed; or give --format npy or safetensors, and --to", {},
                        "--out");
    DumpRequest request;
    HS_ASSIGN(request.sites, wanted_sites(options_.which, work.engine.config()));
    HS_ASSIGN(Texts texts, texts_of(work));
    HS_ASSIGN(request.positions, positions_of(texts));
    request.texts = std::move(texts.rows);
    request.tokens_per_run = options_.tokens_per_run;
    return Dump(options_, work, std::move(request), std::move(texts.ids)).run();
  }

private:
  Result<Texts> texts_of(const Work& work) const {
    const Model& model = work.engine.model();
    Texts texts;
    if (options_.corpus.empty()) {
      HS_ASSIGN(const PromptSet set, make_prompt_set(work.engine, options_.prompts, false, false));
      note_dropped(set.dropped, work.context);
      if (work.writer) HS_TRY(store_prompts(*work.writer, model, set, work.context));
      return Texts{set.rows(), set.ids};
    }
    CorpusOptions cut = options_.cut;
    cut.bos = !options_.prompts.prompt.no_bos;
    HS_ASSIGN(Corpus corpus, read_corpus(*model.tokenizer, options_.corpus, model.config.n_ctx, cut));
    texts.rows = std::move(corpus.texts);
    for (std::size_t i = 0; i < texts.rows.size(); ++i)
      texts.ids.push_back(std::string("text-").append(std::to_string(i)));
    return texts;
  }

  // The chosen positions of each text; empty: all positions of all texts.
  Result<std::vector<std::vector<std::int64_t>>> positions_of(const Texts& texts) const {
    std::vector<std::vector<std::int64_t>> positions;
    if (options_.which.positions == "all") return positions;
    HS_ASSIGN(const std::vector<PositionPart> parts, parse_positions(options_.which.positions));
    bool any = false;
    for (std::size_t i = 0; i < texts.rows.size(); ++i) {
      HS_ASSIGN(std::vector<std::int64_t> kept, positions_in(parts, std::ssize(texts.rows[i]), texts.ids[i]));
      any = any || !kept.empty();
      positions.push_back(std::move(kept));
    }
    if (!any) return make_error(ErrorCode::invalid_argument, "no prompt has one of them", {}, "--positions");
    return positions;
  }

  ActivationOptions options_;
};

} // namespace

std::unique_ptr<Method> make_activations() { return std::make_unique<Activations>(); }

} // namespace headscope::methods
