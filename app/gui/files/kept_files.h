// SPDX-License-Identifier: GPL-3.0-or-later
// Results of this window as result files, and back: what is kept with the session. Jobs of the file thread. What a
// result file has no place for is JSON, which the index of kept results holds.
#pragma once

#include <string>

#include <QJsonObject>

#include "app/gui/engine/detector_job.h"
#include "app/gui/engine/patch_job.h"
#include "app/gui/engine/sweep_job.h"
#include "app/gui/engine/values.h"
#include "core/store/result_types.h"

namespace headscope::gui {

struct FileState;

// Of /model.
store::Attributes model_attributes(const ModelInfo& model);

Status write_sweep(const std::string& path, const HeadSweep& sweep, const store::Attributes& model);
QJsonObject more_of(const HeadSweep& sweep);
Result<HeadSweep> read_sweep(FileState& state, const std::string& path, const QJsonObject& more);

Status write_patch_map(const std::string& path, const PatchMap& map, const store::Attributes& model);
QJsonObject more_of(const PatchMap& map);
Result<PatchMap> read_patch_map(FileState& state, const std::string& path, const QJsonObject& more);

// write_detectors() of engine/detector_job.h is what writes one.
QJsonObject more_of(const DetectorAnswer& answer);
Result<DetectorAnswer> read_detector_answer(FileState& state, const std::string& path, const QJsonObject& more);

} // namespace headscope::gui
