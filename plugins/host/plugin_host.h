// SPDX-License-Identifier: GPL-3.0-or-later
// All plugins in one list: those that come with Headscope and those that users add. Each is loaded or refused with a
// reason; a plugin that fails to load is not an error of the program.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/mechanisms/mechanism_list.h"
#include "plugins/host/plugin_entry.h"
#include "plugins/host/probe.h"
#include "plugins/sdk/detector.h"

namespace headscope::plugin {

struct HostOptions {
  std::vector<std::string> folders; // empty: plugin_folders()
  ProbeOptions probe{standard_probe_program(), standard_cache_folder()};
};

class PluginHost {
public:
  // Reads the folders. A module seen for the first time is tried in a child process, which takes about a second.
  static PluginHost load(const HostOptions& options = {});

  const std::vector<std::string>& folders() const { return folders_; }
  const std::vector<PluginEntry>& entries() const { return entries_; }

  // Warnings about folders to which anybody may add modules, which then run with the rights of whoever starts the
  // program.
  const std::vector<std::string>& warnings() const { return warnings_; }

  // All detectors in the order of the folders, those of one module in its own order.
  const std::vector<std::shared_ptr<const Detector>>& detectors() const { return detectors_; }
  // Headscope's own mechanisms and those of plugins, and why plugins were refused.
  const mechanisms::MechanismList& mechanisms() const { return mechanisms_; }

  // Finds a detector. Returns not_found, with the reason when its plugin was refused, otherwise with the known names.
  Result<std::shared_ptr<const Detector>> detector(const std::string& id) const;

private:
  void add_folder(const std::string& folder, const HostOptions& options);
  void add(const std::string& manifest, const HostOptions& options);
  Status load_into(PluginEntry& entry, const HostOptions& options);
  Status take(PluginEntry& entry, std::vector<std::shared_ptr<const Detector>> detectors);
  Status take(PluginEntry& entry, const std::vector<mechanisms::SharedDefinition>& added);

  std::vector<std::string> folders_, warnings_;
  std::vector<PluginEntry> entries_;
  std::vector<std::shared_ptr<const Detector>> detectors_;
  mechanisms::MechanismList mechanisms_ = mechanisms::MechanismList::built_in();
};

} // namespace headscope::plugin
