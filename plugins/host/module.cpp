// SPDX-License-Identifier: GPL-3.0-or-later
#include "plugins/host/module.h"

#include <cstring>

#include <dlfcn.h>

#include "plugins/host/detector_guard.h"
#include "plugins/host/mechanism_guard.h"
#include "plugins/sdk/plugin.h"

namespace headscope::plugin {
namespace {

Error refused(const Manifest& manifest, const std::string& message, ErrorCode code = ErrorCode::unsupported) {
  return make_error(code, message, manifest.module);
}

// Removes the file from the beginning of the loader's message, since the error already names it.
std::string loader_message(const std::string& module) {
  const char* said = dlerror();
  std::string text = said ? said : "the loader says nothing";
  if (text.rfind(module + ": ", 0) == 0) text.erase(0, module.size() + 2);
  return text;
}

Result<const headscope_plugin_table*> table_of(const Manifest& manifest, const StageFn& stage) {
  stage("opening it");
  void* library = dlopen(manifest.module.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!library) return refused(manifest, "cannot be opened: " + loader_message(manifest.module));
  void* symbol = dlsym(library, HEADSCOPE_PLUGIN_SYMBOL);
  if (!symbol)
    return refused(manifest, "has no function " HEADSCOPE_PLUGIN_SYMBOL
                             "; it needs one HEADSCOPE_DETECTOR_PLUGIN or HEADSCOPE_MECHANISM_PLUGIN");
  stage("asking for its table");
  const headscope_plugin_table* table = reinterpret_cast<headscope_plugin_function>(symbol)();
  if (!table) return refused(manifest, "gives no table");
  if (table->sdk != HEADSCOPE_SDK_VERSION)
    return refused(manifest,
                   "was compiled for SDK " + std::to_string(table->sdk) + ", whatever its manifest says; this is SDK " +
                       std::to_string(HEADSCOPE_SDK_VERSION),
                   ErrorCode::mismatch);
  if (!table->kind || std::strcmp(table->kind, to_string(manifest.kind)) != 0)
    return refused(manifest,
                   std::string("holds plugins of kind ") + (table->kind ? table->kind : "(none)") +
                       ", its manifest says " + to_string(manifest.kind),
                   ErrorCode::mismatch);
  return table;
}

// The objects that `make` gave, owned from the first moment.
template <typename Interface> struct Taken {
  std::vector<std::unique_ptr<Interface>> objects;
  static void take(void* host, void* object) {
    static_cast<Taken*>(host)->objects.emplace_back(static_cast<Interface*>(object));
  }
};

template <typename Interface>
Result<std::vector<std::unique_ptr<Interface>>>
make_objects(const Manifest& manifest, const headscope_plugin_table& table, const StageFn& stage) {
  stage("making its objects");
  Taken<Interface> taken;
  char error[512] = "";
  if (!table.make || !table.make(&Taken<Interface>::take, &taken, error, sizeof error)) {
    error[sizeof error - 1] = '\0';
    return refused(manifest, std::string("cannot make its objects: ") + (*error ? error : "it does not say why"));
  }
  std::erase(taken.objects, nullptr);
  if (taken.objects.empty()) return refused(manifest, "makes no object");
  return std::move(taken.objects);
}

} // namespace

std::vector<std::string> ModuleObjects::ids() const {
  std::vector<std::string> list;
  for (const auto& detector : detectors)
    list.push_back(detector->id());
  for (const auto& mechanism : mechanisms)
    list.emplace_back(mechanism->info.id);
  return list;
}

Result<ModuleObjects> open_module(const Manifest& manifest, const StageFn& stage) {
  const StageFn say = stage ? stage : [](const char*) {};
  HS_ASSIGN(const headscope_plugin_table* table, table_of(manifest, say));
  ModuleObjects objects;
  const auto keep = [&](auto& made, auto& kept) -> Status {
    say("asking its objects for their names");
    for (auto& object : made) {
      HS_ASSIGN(auto one, guard(std::move(object), manifest.module));
      kept.push_back(std::move(one));
    }
    return {};
  };
  if (manifest.kind == Kind::mechanism) {
    HS_ASSIGN(auto made, make_objects<mechanisms::MechanismDefinition>(manifest, *table, say));
    HS_TRY(keep(made, objects.mechanisms));
  } else {
    HS_ASSIGN(auto made, make_objects<Detector>(manifest, *table, say));
    HS_TRY(keep(made, objects.detectors));
  }
  return objects;
}

} // namespace headscope::plugin
