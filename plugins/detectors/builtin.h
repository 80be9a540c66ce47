// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <memory>
#include <vector>

#include "plugins/sdk/detector.h"

namespace headscope {

// The detectors that come with Headscope, in the order in which they are listed and run.
std::vector<std::unique_ptr<Detector>> builtin_detectors();

std::unique_ptr<Detector> make_pattern_detector(const std::string& id); // "induction", "previous", "duplicate"
std::unique_ptr<Detector> make_sink_detector();
std::unique_ptr<Detector> make_successor_detector();
std::unique_ptr<Detector> make_retrieval_detector();
std::unique_ptr<Detector> make_qrhead_detector();
std::unique_ptr<Detector> make_text_detector(const std::string& id); // "local", "global", "boundary"
// `id` is "name_mover", "negative_name_mover" or "backup_name_mover".
std::unique_ptr<Detector> make_name_mover_detector(const std::string& id);
std::unique_ptr<Detector> make_s_inhibition_detector();
std::unique_ptr<Detector> make_correct_letter_detector();
std::unique_ptr<Detector> make_vision_detector();
std::unique_ptr<Detector> make_copy_suppression_detector();
std::unique_ptr<Detector> make_head_importance_detector();
std::unique_ptr<Detector> make_in_context_regression_detector();
std::unique_ptr<Detector> make_graph_detector();

} // namespace headscope
