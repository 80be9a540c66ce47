// SPDX-License-Identifier: GPL-3.0-or-later
// In-context linear regression (He et al. 2025, arXiv 2503.12734): a transformer whose inputs are examples z = [x; y]
// and a query [x; 0]. Its heads learn a KQ that is a multiple omega of the identity on x, and an OV that takes y to the
// prediction by a factor mu; heads have either sign with equal |omega|, and their mu add up to 0.
#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include "core/model/guard.h"
#include "plugins/detectors/builtin.h"
#include "plugins/detectors/evidence.h"

namespace headscope {
namespace {

constexpr const char* summary =
    "How far the head has the pattern of in-context linear regression: diagonal share of KQ times last-entry share of "
    "OV, in what a query with y = 0 and the prediction make use of";

// [layer, head]
struct Circuits {
  std::vector<double> diagonal_share, omega, last_share, mu;
};

struct Examples {
  at::Tensor z;       // [row, pos, d_model]; the last of a row is the query
  at::Tensor answers; // [row]
};

class InContextRegressionDetector : public Detector {
public:
  std::string id() const override { return "in_context_regression"; }
  std::string title() const override { return "In-context regression heads"; }
  std::string description() const override { return summary; }
  std::string reference() const override { return "He et al. 2025, arXiv 2503.12734"; }

  std::vector<OptionSpec> options() const override {
    return {
        {"threshold", 0.5, "heads with at least this score are named", {}, 0.0},
        {"rows", std::int64_t{1024}, "prompts of the validation", {}, 1},
        {"noise", 0.1, "variance of the noise on y", {}, 0.0},
        {"seed", std::int64_t{0}, "of the prompts", {}, 0},
    };
  }

  Status check(const Engine& engine) const override {
    const ModelConfig& config = engine.config();
    const ModelWeights& weights = engine.model().weights;
    if (config.has_mlp() || config.d_vocab != 1 || config.d_model < 2 || weights.w_e.any().item<bool>())
      return make_error(ErrorCode::unsupported,
                        "the model does not take real numbers: a regression transformer has attention only, a token "
                        "embedding of zeros and one logit, the prediction",
                        {}, id());
    return {};
  }

  Result<DetectorResult> run(const DetectorRun& run) const override {
    return guarded("finding in-context regression heads", [&] { return measure(run); });
  }

private:
  static Circuits circuits(const Model& model) {
    const ModelConfig& config = model.config;
    const std::int64_t d = config.d_model - 1, group = config.n_heads / config.n_kv_heads;
    Circuits out;
    for (const BlockWeights& block : model.weights.blocks) {
      const at::Tensor w_q = view_w_q(config, block).to(at::kDouble), w_k = view_w_k(config, block).to(at::kDouble),
                       w_v = view_w_v(config, block).to(at::kDouble), w_o = view_w_o(config, block).to(at::kDouble);
      for (std::int64_t head = 0; head < config.n_heads; ++head) {
        // Axes [key entry, query entry], without the query's y, which is 0.
        const at::Tensor kq =
            (at::matmul(w_k[head / group], w_q[head].t()) * config.attn_scale).narrow(1, 0, d).contiguous();
        const at::Tensor diagonal = kq.narrow(0, 0, d).diagonal();
        const at::Tensor ov = at::matmul(w_v[head / group], w_o[head]).select(1, d); // to the last entry
        out.diagonal_share.push_back((diagonal.abs().sum() / kq.abs().sum()).item<double>());
        out.omega.push_back(diagonal.mean().item<double>());
        out.last_share.push_back((ov[d].abs() / ov.abs().sum()).item<double>());
        out.mu.push_back(ov[d].item<double>());
      }
    }
    return out;
  }

  // Draws x ~ N(0, I), y = b.x + noise, b ~ N(0, I / d).
  static Examples draw(const DetectorRun& run) {
    const std::int64_t rows = run.options.integer("rows"), length = run.engine.config().n_ctx,
                       d = run.engine.config().d_model - 1;
    const std::vector<double> normal = normal_numbers(static_cast<std::uint64_t>(run.options.integer("seed")),
                                                      static_cast<std::size_t>(rows * (length * (d + 1) + d)));
    const at::Tensor all = at::tensor(normal, at::kDouble);
    const at::Tensor x = all.narrow(0, 0, rows * length * d).view({rows, length, d});
    const at::Tensor noise = all.narrow(0, rows * length * d, rows * length).view({rows, length});
    const at::Tensor b =
        all.narrow(0, rows * length * (d + 1), rows * d).view({rows, d, 1}) / std::sqrt(static_cast<double>(d));
    const at::Tensor y = at::matmul(x, b).squeeze(2) + noise * std::sqrt(run.options.number("noise"));
    Examples out{at::cat({x, y.unsqueeze(2)}, 2), y.select(1, length - 1).clone()};
    out.z.select(1, length - 1).select(1, d).zero_();
    return out;
  }

  // Returns the model's prediction for the last entry of each row [row].
  static Result<at::Tensor> predict(const Engine& engine, const at::Tensor& z, const CancelToken& cancel) {
    RunRequest request;
    request.batch.tokens = at::zeros({z.size(0), z.size(1)}, at::kLong);
    request.until = LogitRows::last;
    request.cancel = cancel;
    Intervention set;
    set.site = {HookPoint::embed, -1};
    set.kind = InterventionKind::set;
    set.value = z.to(engine.model().device, engine.model().dtype);
    request.interventions = {std::move(set)};
    HS_ASSIGN(const RunResult run, engine.run(request));
    return run.logits.select(1, 0).to(at::kDouble).cpu();
  }

  static DetectorResult::NamedTable evidence(const Examples& examples, const at::Tensor& predictions) {
    std::vector<double> answer, predicted;
    std::vector<std::int64_t> row;
    for (std::int64_t i = 0; i < predictions.size(0); ++i) {
      row.push_back(i);
      answer.push_back(examples.answers[i].item<double>());
      predicted.push_back(predictions[i].item<double>());
    }
    store::Table table;
    table.columns = {{"row", row, "1", "prompt, drawn from the seed"},
                     {"answer", answer, "1", "y of the query"},
                     {"prediction", predicted, "1", "what the model says"}};
    return {"validation", std::move(table)};
  }

  Result<DetectorResult> measure(const DetectorRun& run) const {
    const Circuits found = circuits(run.engine.model());
    const Examples examples = draw(run);
    HS_ASSIGN(const at::Tensor predictions, predict(run.engine, examples.z, run.control.cancel));
    DetectorResult result = empty_result(run.engine);
    double omega = 0.0, omega_square = 0.0, mu = 0.0, mu_size = 0.0;
    for (std::size_t i = 0; i < result.scores.size(); ++i) {
      result.scores[i] = static_cast<float>(found.diagonal_share[i] * found.last_share[i]);
      omega += std::abs(found.omega[i]);
      omega_square += found.omega[i] * found.omega[i];
      mu += found.mu[i];
      mu_size += std::abs(found.mu[i]);
    }
    const auto heads = static_cast<double>(result.scores.size());
    const double mean = omega / heads;
    result.description = summary;
    result.threshold = run.options.number("threshold");
    result.maps = {
        {"kq_diagonal_share", "share of the diagonal in |KQ|", "1", as_floats(found.diagonal_share)},
        {"omega", "mean of KQ's diagonal", "1", as_floats(found.omega)},
        {"ov_last_share", "share of y in what OV takes to the prediction", "1", as_floats(found.last_share)},
        {"mu", "OV from y to the prediction", "1", as_floats(found.mu)},
    };
    result.findings = {
        {"omega_spread", std::sqrt(std::max(0.0, omega_square / heads - mean * mean)) / mean},
        {"mu_balance", std::abs(mu) / mu_size},
        {"validation_mse", (predictions - examples.answers).square().mean().item<double>()},
        {"variance_of_y", examples.answers.square().mean().item<double>()},
    };
    name_heads(result);
    result.tables.push_back(evidence(examples, predictions));
    return result;
  }
};

} // namespace

std::unique_ptr<Detector> make_in_context_regression_detector() {
  return std::make_unique<InContextRegressionDetector>();
}

} // namespace headscope
