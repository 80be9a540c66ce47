// SPDX-License-Identifier: GPL-3.0-or-later
// Streams attention maps of chosen heads row by row from the model into a result file.
#pragma once

#include <string>
#include <vector>

#include "app/methods/base/context.h"
#include "core/engine/engine.h"
#include "core/store/result_file.h"
#include "core/vocabulary/head_id.h"

namespace headscope::methods {

struct AttentionRequest {
  std::string prompt_id;
  std::vector<std::int64_t> ids;
  std::vector<HeadId> heads;
  store::DType dtype = store::DType::float16;
};

struct StoredMaps {
  std::vector<HeadId> heads; // whose maps are whole
  bool complete = false;     // false: cancelled
};
// Never holds more than a tile of any map. When cancelled, the file has what was done.
Result<StoredMaps> run_attention(const Engine& engine, const AttentionRequest& task, const Context& context,
                                 store::ResultWriter& writer);

} // namespace headscope::methods
