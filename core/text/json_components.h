// SPDX-License-Identifier: GPL-3.0-or-later
// Reads normalizers, pre-tokenizers, post-processors and decoders from tokenizer.json.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/result.h"
#include "core/text/json_field.h"
#include "core/text/pipeline.h"

namespace headscope::text {

// Each function appends what the value describes; null describes nothing.
Status read_normalizer(const JsonField& field, Normalizers& out);
Status read_pre_tokenizer(const JsonField& field, PreTokenizers& out);
Status read_decoder(const JsonField& field, Decoders& out, Spelling& spelling);
// Adds the special ids that are put around a text's ids.
Status read_post_processor(const JsonField& field, PipelineParts& parts);

} // namespace headscope::text
