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
  for (const char* id : {"name_mover", "negative_name_mover", "backup_name_mover"})
    detectors.push_back(make_name_mover_detector(id));
  detectors.push_back(make_s_inhibition_detector());
  detectors.push_back(make_correct_letter_detector());
  detectors.push_back(make_vision_detector());
  detectors.push_back(make_copy_suppression_detector());
  detectors.push_back(make_head_importance_detector());
  detectors.push_back(make_in_context_regression_detector());
  detectors.push_back(make_graph_detector());
  return detectors;
}

} // namespace headscope
