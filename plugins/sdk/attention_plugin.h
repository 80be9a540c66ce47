// SPDX-License-Identifier: GPL-3.0-or-later
// An attention backend that users may choose: --attention NAME.
#pragma once

#include <string>

#include "core/base/result.h"
#include "core/engine/attention.h"
#include "core/model/model.h"

namespace headscope {

// name() is the id that users type.
class AttentionPlugin : public AttentionBackend {
public:
  virtual std::string title() const = 0;
  virtual std::string description() const = 0; // one sentence

  // Whether it can run this model where it is: unsupported, with the reason, if not.
  virtual Status check(const Model&) const { return {}; }
};

} // namespace headscope
