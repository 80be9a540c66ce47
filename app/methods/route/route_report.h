// SPDX-License-Identifier: GPL-3.0-or-later
// What a route says, stores and writes for other programs.
#pragma once

#include "app/methods/base/method.h"
#include "core/mechanisms/route.h"
#include "core/store/result_file.h"

namespace headscope::methods {

Report route_report(const mechanisms::Route& route, const mechanisms::RouteTask& task, const ModelConfig& config);

Status store_route(store::ResultWriter& writer, const mechanisms::Route& route, const mechanisms::RouteTask& task,
                   const ModelConfig& config);

// DuoAttention's full_attention_heads.tsv: [layer, kv_head] of 1 where some head of the group attends fully, tab
// separated.
std::string full_attention_heads(const mechanisms::Route& route, const ModelConfig& config);

} // namespace headscope::methods
