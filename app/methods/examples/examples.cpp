// SPDX-License-Identifier: GPL-3.0-or-later
// The method `examples`: finds the texts of a corpus that a neuron, a head or a direction responds to most.
#include <filesystem>
#include <system_error>

#include "app/methods/base/method.h"
#include "app/methods/examples/examples_report.h"
#include "app/methods/inputs/tokens_per_run.h"

namespace headscope::methods {
namespace {

class ExamplesMethod : public Method {
public:
  const MethodInfo& info() const override {
    static const MethodInfo info = {
        .id = "examples",
        .summary = "Find the texts that a neuron, a head or a direction responds to most",
        .example = "headscope examples --model smollm2 --corpus texts --neuron 12.345 --out examples.h5",
        .since = "0.2"};
    return info;
  }

  void inputs(OptionList& list) override {
    list.add("corpus", corpus_, "A text file, or a folder of .txt and .md files").from("0.2").reads_file().must();
    list.add("length", cut_.length, "Tokens of each text, a BOS among them").in("token").from("0.2").at_least(1);
    list.add("most_texts", cut_.most_texts, "The first texts of the corpus; 0: all").in("text").from("0.2").at_least(0);
    list.add("no_bos", no_bos_, "No BOS before the texts").from("0.2");
  }

  store::Attributes recorded_inputs() const override {
    return {{"corpus", corpus_}, {"length", cut_.length}, {"most_texts", cut_.most_texts}, {"no_bos", no_bos_}};
  }

  void options(OptionList& list) override {
    list.add("neuron", target_.neuron, "LAYER.NUMBER: what leaves this neuron of the MLP").from("0.2");
    list.add("head", target_.head, "LAYER.HEAD: the norm of what this head writes").from("0.2");
    list.add("direction", target_.direction, "A .npy file with a vector: the activation's product with it")
        .from("0.2")
        .reads_file();
    list.add("at", target_.at, "Hook point of the direction: a short name with --layer, or a whole name").from("0.2");
    list.add("layer", target_.layer, "Layer of --at").from("0.2").at_least(0);
    list.add("top", how_.top, "How many texts").in("text").from("0.2").at_least(0);
    list.add("skip", how_.skip, "Tokens at the beginning of each text that do not count, beside a BOS")
        .in("token")
        .from("0.2")
        .at_least(0);
    list_tokens_per_run(list, how_.tokens_per_run).from("0.2");
  }

  Status check_inputs() override {
    std::error_code error;
    if (corpus_.empty()) return make_error(ErrorCode::invalid_argument, "is required", {}, "--corpus");
    if (!std::filesystem::exists(corpus_, error))
      return make_error(ErrorCode::not_found, "does not exist", corpus_, "--corpus");
    return {};
  }
  Status check_options() override { return check_target(target_); }

  Result<Report> run(const Work& work) override {
    const Model& model = work.engine.model();
    ExamplesResult result;
    HS_ASSIGN(result.target, make_target(target_, model));
    CorpusOptions cut = cut_;
    cut.bos = !no_bos_;
    HS_ASSIGN(result.corpus, read_corpus(*model.tokenizer, corpus_, model.config.n_ctx, cut));
    ExamplesOptions how = how_;
    how.skip += result.corpus.added;
    result.quantiles = how.quantiles;
    HS_ASSIGN(result.found,
              strongest_examples(work.engine, result.target.response, result.corpus.texts, how, work.context.control()));
    work.context.finish_progress();
    if (work.writer) HS_TRY(store_examples(*work.writer, result, *model.tokenizer));
    return examples_report(result, *model.tokenizer);
  }

private:
  std::string corpus_;
  CorpusOptions cut_;
  bool no_bos_ = false;
  TargetOptions target_;
  ExamplesOptions how_;
};

} // namespace

std::unique_ptr<Method> make_examples() { return std::make_unique<ExamplesMethod>(); }

} // namespace headscope::methods
