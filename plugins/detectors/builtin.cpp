// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugins/detectors/builtin.h"

namespace headscope {

std::vector<std::unique_ptr<Detector>> builtin_detectors() {
  std::vector<std::unique_ptr<Detector>> detectors;
  for (const char* id : {"induction", "previous", "duplicate"})
    detectors.push_back(make_pattern_detector(id));
  detectors.push_back(make_sink_detector());
  detectors.push_back(make_successor_detector());
  detectors.push_back(make_retrieval_detector());
  detectors.push_back(make_qrhead_detector());
  for (const char* id : {"local", "global", "boundary"})
    detectors.push_back(make_text_detector(id));
  return detectors;
}

} // namespace headscope
