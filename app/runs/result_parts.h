// SPDX-License-Identifier: GPL-3.0-or-later
// Turns models, prompts and detector results into parts of a result file.
#pragma once

#include <string>
#include <vector>

#include "core/model/model.h"
#include "core/prompts/tasks/task.h"
#include "core/scoring/metric.h"
#include "core/store/result_file.h"
#include "plugins/sdk/detector.h"

namespace headscope {

std::string headscope_version();
std::string libtorch_version();
const char* dtype_name(at::ScalarType dtype); // "float32", …

// The attributes of /model.
store::Attributes model_attributes(const Model& model);
// Stores /model, and how the model was loaded as /options/model.
Status store_model(store::ResultWriter& writer, const Model& model, const store::Attributes& load_options);
store::Prompt prompt_of(const Model& model, const std::string& id, const std::vector<std::int64_t>& ids);
// Makes a stored prompt with the attributes answer_ids, wrong_ids and their texts answers, wrongs.
store::Prompt prompt_of(const Model& model, const std::string& id, const std::vector<std::int64_t>& ids,
                        const Answers& answers);

// Stores /prompts/LABEL-0, LABEL-0-corrupt, ... of a task whose cells are run.
Status store_task(store::ResultWriter& writer, const Model& model, const std::string& label, const TaskSet& task);

// Stores scores, maps, findings, prompts and tables of one detector, and its options. `name` is that of its group;
// empty: the detector's id.
Status write_detector(store::ResultWriter& writer, const Detector& detector, const OptionSet& options,
                      const std::string& haystack, const DetectorResult& result, const std::string& name = {});

} // namespace headscope
