// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/methods/attention/attention_run.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "app/runs/result_parts.h"
#include "core/engine/engine.h"

namespace headscope::methods {
namespace {

class Recorder {
public:
  Recorder(const AttentionRequest& task, store::AttentionWriter& writer)
      : task_(task), writer_(writer), rows_(task.heads.size(), 0) {
    for (const HeadId& head : task.heads)
      last_layer_ = std::max(last_layer_, head.layer);
  }

  bool wants(int layer) const {
    return std::any_of(task_.heads.begin(), task_.heads.end(), [&](const HeadId& head) { return head.layer == layer; });
  }
  int last_layer() const { return last_layer_; }
  const Status& status() const { return status_; }

  std::vector<HeadId> whole() const {
    std::vector<HeadId> heads;
    for (std::size_t i = 0; i < rows_.size(); ++i)
      if (rows_[i] == std::ssize(task_.ids)) heads.push_back(task_.heads[i]);
    return heads;
  }

  void record(const PatternTile& tile) {
    for (std::size_t i = 0; i < task_.heads.size() && status_.ok(); ++i) {
      if (task_.heads[i].layer != tile.layer) continue;
      const at::Tensor rows = tile.pattern[0][task_.heads[i].head].to(at::kCPU, at::kFloat).contiguous();
      status_ = writer_.write_rows(static_cast<std::int64_t>(i), tile.query_begin,
                                   {rows.const_data_ptr<float>(), static_cast<std::size_t>(rows.numel())});
      rows_[i] += rows.size(0);
    }
  }

private:
  const AttentionRequest& task_;
  store::AttentionWriter& writer_;
  int last_layer_ = 0;
  std::vector<std::int64_t> rows_; // written, of each head
  Status status_;
};

store::AttentionSpec spec_of(const AttentionRequest& task) {
  store::AttentionSpec spec;
  spec.prompt = task.prompt_id;
  spec.heads = task.heads;
  spec.n_query = spec.n_key = static_cast<std::int64_t>(task.ids.size());
  spec.dtype = task.dtype;
  return spec;
}

} // namespace

Result<StoredMaps> run_attention(const Engine& engine, const AttentionRequest& task, const Context& context,
                                 store::ResultWriter& writer) {
  HS_TRY(writer.add_prompt(prompt_of(engine.model(), task.prompt_id, task.ids)));
  HS_ASSIGN(store::AttentionWriter rows, writer.begin_attention(spec_of(task)));
  Recorder recorder(task, rows);
  context.begin_step();
  const RunControl progress = context.control();
  AttentionObserver observer;
  observer.wants = [&](int layer) {
    progress.report("attention maps", layer, recorder.last_layer() + 1);
    return recorder.wants(layer);
  };
  observer.tile = [&](const PatternTile& tile) { recorder.record(tile); };
  RunRequest request;
  request.batch = TokenBatch::single(task.ids);
  request.until = BeforeLayer{recorder.last_layer() + 1}; // layers after this are not read
  request.observer = &observer;
  request.cancel = progress.cancel;
  const auto ran = engine.run(request);
  context.finish_progress();
  HS_TRY(recorder.status());
  if (!ran.ok() && ran.error().code != ErrorCode::cancelled) return ran.error();
  return StoredMaps{recorder.whole(), ran.ok()};
}

} // namespace headscope::methods
