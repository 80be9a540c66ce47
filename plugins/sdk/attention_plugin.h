// SPDX-License-Identifier: GPL-3.0-or-later
// An attention backend that users choose with --attention NAME.
#pragma once

#include <string>

#include "core/base/result.h"
#include "core/engine/attention.h"
#include "core/model/model.h"

namespace headscope {

// The interface of such a backend; name() is the id that users type.
class AttentionPlugin : public AttentionBackend {
public:
  virtual std::string title() const = 0;
  virtual std::string description() const = 0; // one sentence

  // Checks that the backend can run this model on its device; returns unsupported, with the reason, if not.
  virtual Status check(const Model&) const { return {}; }
};

} // namespace headscope
