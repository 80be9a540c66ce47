// SPDX-License-Identifier: GPL-3.0-or-later
// Vision-aware head divergence (VHD, T-VHD) and the factors of vision-aware head reinforcement (VHR), for models that
// get images as embeddings in front of the text.
#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include "core/analysis/residual_parts.h"
#include "core/engine/generate.h"
#include "core/model/guard.h"
#include "core/store/column_values.h"
#include "plugins/detectors/builtin.h"
#include "plugins/detectors/evidence.h"
#include "plugins/detectors/image_prefix.h"

namespace headscope {
namespace {

constexpr const char* summary =
    "Vision-aware head divergence: how far the head's output at generated tokens moves when the image's embeddings are "
    "taken away, Euclidean distance, mean over images and tokens";
constexpr std::size_t heads_of_t_vhd = 8;

using Ids = std::vector<std::int64_t>;

// One image before one text, and the model's answer.
struct Seen {
  Ids with, without;         // token ids; those of the image are placeholders
  std::int64_t begin = 0;    // first position of the image in `with`
  Ids generated;             // to `with`
  std::vector<double> vhd;   // [layer, head], mean over the generated tokens
  std::vector<double> t_vhd; // [generated token]: mean of the largest
};

class VisionDetector : public Detector {
public:
  std::string id() const override { return "vision"; }
  std::string title() const override { return "Vision-aware heads"; }
  std::string description() const override { return summary; }
  std::string reference() const override { return "He et al. 2024, Vision-aware Head Divergence, arXiv 2412.13949"; }

  std::vector<OptionSpec> options() const override {
    return {
        {"threshold", 0.5, "heads with at least this share of the largest divergence are named", {}, 0.0},
        {"images",
         std::string(),
         "a .npy or HDF5 file with embeddings [token, d_model] or [image, token, d_model]",
         {},
         -1e18,
         true},
        {"dataset", std::string("embeddings"), "of the HDF5 file"},
        {"random", std::int64_t{4}, "without a file: number of random images, where no token is an image", {}, 1},
        {"image_tokens", std::int64_t{16}, "tokens of a random image", {}, 1},
        {"question", std::string("What does the picture show? It is a"), "the text after the image"},
        {"new_tokens", std::int64_t{4}, "generated tokens that are looked at", {}, 1},
        {"output", std::string("result"), "result: what the head adds to the residual; z: before W_O", {"result", "z"}},
        {"alpha", 2.0, "VHR: the factor of reinforced heads", {}, 0.0},
        {"seed", std::int64_t{0}, "of random images", {}, 0},
    };
  }

  Status check(const Engine& engine) const override {
    if (!engine.model().tokenizer)
      return make_error(ErrorCode::unsupported, "the model has no tokenizer to read a question with", {}, id());
    return {};
  }

  Result<DetectorResult> run(const DetectorRun& run) const override {
    return guarded("finding vision-aware heads", [&] { return measure(run); });
  }

private:
  Result<DetectorResult> measure(const DetectorRun& run) const {
    HS_ASSIGN(const ImagePrefixes prefixes, images_for(run));
    std::vector<Seen> seen;
    for (std::size_t i = 0; i < prefixes.images.size(); ++i) {
      run.control.report("images", static_cast<std::int64_t>(i), static_cast<std::int64_t>(prefixes.images.size()));
      auto one = look(run, prefixes.images[i]);
      if (!one.ok() && one.error().code == ErrorCode::cancelled && !seen.empty()) break;
      HS_TRY(one);
      seen.push_back(std::move(*one));
    }
    return summarise(run, prefixes, seen);
  }

  static Result<ImagePrefixes> images_for(const DetectorRun& run) {
    const std::string& path = run.options.text("images");
    if (!path.empty()) return read_images(path, run.options.text("dataset"), run.engine);
    ImagePrefixes images = images_of_tokens(run.engine);
    if (!images.images.empty()) return images;
    return random_images(run.engine, run.options.integer("random"), run.options.integer("image_tokens"),
                         static_cast<std::uint64_t>(run.options.integer("seed")));
  }

  // Puts the image's embeddings in place of the placeholders', wherever a run computes them.
  static Intervention put_image(const at::Tensor& image, std::int64_t begin) {
    Intervention set;
    set.site = {HookPoint::embed, -1};
    set.kind = InterventionKind::set;
    set.phase = Phase::prefill;
    for (std::int64_t i = 0; i < image.size(0); ++i)
      set.positions.push_back(begin + i);
    set.value = image;
    return set;
  }

  Result<Seen> look(const DetectorRun& run, const at::Tensor& image) const {
    const Engine& engine = run.engine;
    const Tokenizer& tokenizer = *engine.model().tokenizer;
    Seen out;
    HS_ASSIGN(out.without, tokenizer.encode(run.options.text("question")));
    out.begin = !out.without.empty() && tokenizer.bos() && out.without.front() == *tokenizer.bos() ? 1 : 0;
    out.with = out.without;
    out.with.insert(out.with.begin() + out.begin, static_cast<std::size_t>(image.size(0)), 0);
    const at::Tensor value = image.to(engine.model().device, engine.model().dtype);
    GenerateOptions generation;
    generation.max_new_tokens = run.options.integer("new_tokens");
    generation.interventions = {put_image(value, out.begin)};
    generation.task.cancel = run.control.cancel;
    HS_ASSIGN(Generation said, generate(engine, out.with, generation));
    out.generated = std::move(said.tokens);
    HS_ASSIGN(const at::Tensor with, outputs(run, out.with, out.generated, {put_image(value, out.begin)}));
    HS_ASSIGN(const at::Tensor without, outputs(run, out.without, out.generated, {}));
    const at::Tensor distance = (with - without).norm(2, {3}); // [layer, token, head]
    const at::Tensor mean = distance.mean(1).contiguous();
    out.vhd.assign(mean.const_data_ptr<double>(), mean.const_data_ptr<double>() + mean.numel());
    for (const at::Tensor& token : distance.unbind(1)) {
      const at::Tensor flat = token.flatten();
      const auto most = std::min<std::int64_t>(static_cast<std::int64_t>(heads_of_t_vhd), flat.numel());
      out.t_vhd.push_back(std::get<0>(flat.topk(most)).mean().item<double>());
    }
    return out;
  }

  // The outputs of every head at the positions from which the tokens were generated: [layer, token, head_index, d],
  // float64.
  static Result<at::Tensor> outputs(const DetectorRun& run, Ids ids, const Ids& generated,
                                    std::vector<Intervention> interventions) {
    const auto count = static_cast<std::int64_t>(generated.size());
    ids.insert(ids.end(), generated.begin(), generated.end() - 1);
    const std::int64_t first = static_cast<std::int64_t>(ids.size()) - count;
    const bool z = run.options.text("output") == "z";
    std::vector<at::Tensor> layers;
    RunRequest request;
    request.batch = TokenBatch::single(ids);
    request.until = LogitRows::none;
    request.interventions = std::move(interventions);
    request.cancel = run.control.cancel;
    for (int layer = 0; layer < run.engine.config().n_layers; ++layer) {
      const BlockWeights& block = run.engine.model().weights.blocks[static_cast<std::size_t>(layer)];
      request.hooks.push_back(
          {{z ? HookPoint::z : HookPoint::result, layer}, [&, first, count, z](HookSite, at::Tensor x) {
             const at::Tensor tokens = x.narrow(1, first, count);
             const at::Tensor heads = z ? tokens : attention_parts(run.engine.config(), block, tokens).heads;
             layers.push_back(heads[0].to(at::kCPU, at::kDouble));
             return x;
           }});
    }
    HS_TRY(run.engine.run(request));
    return at::stack(layers);
  }

  // Factors of VHR: in each layer, `alpha` for heads above the median once those above mean + std are set to zero; 1
  // for the others.
  static std::vector<float> reinforcement(const std::vector<double>& vhd, std::size_t heads, double alpha) {
    std::vector<float> out;
    for (std::size_t begin = 0; begin < vhd.size(); begin += heads) {
      std::vector<double> layer(vhd.begin() + static_cast<std::ptrdiff_t>(begin),
                                vhd.begin() + static_cast<std::ptrdiff_t>(begin + heads));
      double mean = 0.0, square = 0.0;
      for (const double value : layer) {
        mean += value / static_cast<double>(heads);
        square += value * value / static_cast<double>(heads);
      }
      const double limit = mean + std::sqrt(std::max(0.0, square - mean * mean));
      for (double& value : layer)
        if (value > limit) value = 0.0;
      std::vector<double> sorted = layer;
      std::sort(sorted.begin(), sorted.end());
      const double median = 0.5 * (sorted[(heads - 1) / 2] + sorted[heads / 2]);
      for (const double value : layer)
        out.push_back(static_cast<float>(value > median ? alpha : 1.0));
    }
    return out;
  }

  DetectorResult summarise(const DetectorRun& run, const ImagePrefixes& prefixes, const std::vector<Seen>& seen) const {
    DetectorResult result = empty_result(run.engine);
    std::vector<double> mean(result.scores.size(), 0.0);
    double t_vhd = 0.0, tokens = 0.0;
    for (const Seen& one : seen) {
      for (std::size_t i = 0; i < mean.size(); ++i)
        mean[i] += one.vhd[i] / static_cast<double>(seen.size());
      for (const double value : one.t_vhd)
        t_vhd += value;
      tokens += static_cast<double>(one.t_vhd.size());
    }
    result.scores = as_floats(mean);
    result.description = summary;
    result.threshold = run.options.number("threshold") * *std::max_element(mean.begin(), mean.end());
    result.maps = {{"vhr_factor", "by what VHR scales the head: alpha above the layer's median, outliers left out", "1",
                    reinforcement(mean, static_cast<std::size_t>(result.n_heads), run.options.number("alpha"))}};
    result.findings = {
        {"images", static_cast<std::int64_t>(seen.size())}, {"source", prefixes.source}, {"t_vhd", t_vhd / tokens}};
    result.complete = seen.size() == prefixes.images.size();
    add_evidence(prefixes, seen, run.engine, result);
    if (prefixes.source == "random")
      result.message = "no images were given and the vocabulary has none: random embeddings show how strongly heads "
                       "react to any prefix, so no heads are named; set vision.images";
    else
      name_heads(result);
    return result;
  }

  void add_evidence(const ImagePrefixes& prefixes, const std::vector<Seen>& seen, const Engine& engine,
                    DetectorResult& result) const {
    struct Row {
      std::int64_t image = 0;
      std::string label;
      std::int64_t begin = 0, length = 0, step = 0, token = 0;
      double t_vhd = 0.0;
    };
    std::vector<Row> rows;
    for (std::size_t i = 0; i < seen.size(); ++i) {
      const Seen& one = seen[i];
      Ids text = one.without;
      text.insert(text.end(), one.generated.begin(), one.generated.end());
      result.prompts.push_back(prompt_evidence(engine, id() + "-" + std::to_string(i), text));
      for (std::size_t t = 0; t < one.generated.size(); ++t)
        rows.push_back({.image = static_cast<std::int64_t>(i),
                        .label = prefixes.labels[i],
                        .begin = one.begin,
                        .length = prefixes.images[i].size(0),
                        .step = static_cast<std::int64_t>(t),
                        .token = one.generated[t],
                        .t_vhd = one.t_vhd[t]});
    }
    const auto column = [&](auto member) { return store::column_values(rows, member); };
    store::Table table;
    table.columns = {
        {"image", column(&Row::image), "1",
         "the prompt vision-N is the text without the image, with what was generated"},
        {"label", column(&Row::label), "", "of the image"},
        {"image_begin", column(&Row::begin), "token", "position of the image's first embedding in the text"},
        {"image_tokens", column(&Row::length), "token", "embeddings of the image"},
        {"step", column(&Row::step), "1", "generated token, from 0"},
        {"token", column(&Row::token), "1", "its id"},
        {"t_vhd", column(&Row::t_vhd), "1", "mean of the 8 largest divergences"}};
    result.tables.push_back({"generated", std::move(table)});
  }
};

} // namespace

std::unique_ptr<Detector> make_vision_detector() { return std::make_unique<VisionDetector>(); }

} // namespace headscope
