// SPDX-License-Identifier: GPL-3.0-or-later
// What a plugin module exports: one C function that gives its version and its objects. These have C++ interfaces, so
// module and program must be built with the same toolchain, which the manifest beside the module names
// (docs/plugin-guide.md).
//
// HEADSCOPE_DETECTOR_PLUGIN(std::make_unique<MyDetector>())
// HEADSCOPE_MECHANISM_PLUGIN(my_mechanism)
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <utility>
#include <vector>

namespace headscope {
class Detector;
namespace mechanisms {
struct MechanismDefinition;
}
} // namespace headscope

extern "C" {

// Increased with every change of what a module sees: this file, plugins/sdk and the headers of core.
#define HEADSCOPE_SDK_VERSION 3

struct headscope_plugin_table {
  std::uint32_t sdk; // HEADSCOPE_SDK_VERSION as the module was compiled
  // "detector": objects are headscope::Detector*; "mechanism": headscope::mechanisms::MechanismDefinition*
  const char* kind;
  // Gives every object to `take`, which owns it from then on. Returns false, with the reason in `error`, when one
  // cannot be made.
  bool (*make)(void (*take)(void* host, void* object), void* host, char* error, std::size_t error_size);
};

typedef const headscope_plugin_table* (*headscope_plugin_function)(void);
#define HEADSCOPE_PLUGIN_SYMBOL "headscope_plugin"

} // extern "C"

namespace headscope::plugin {

template <typename Interface, typename T> std::vector<std::unique_ptr<Interface>> objects(std::unique_ptr<T> one) {
  std::vector<std::unique_ptr<Interface>> list;
  list.push_back(std::move(one));
  return list;
}
template <typename Interface>
std::vector<std::unique_ptr<Interface>> objects(std::vector<std::unique_ptr<Interface>> list) {
  return list;
}
// Of values, copies.
template <typename Interface> std::vector<std::unique_ptr<Interface>> objects(const Interface& one) {
  return objects<Interface>(std::make_unique<Interface>(one));
}
template <typename Interface> std::vector<std::unique_ptr<Interface>> objects(const std::vector<Interface>& values) {
  std::vector<std::unique_ptr<Interface>> list;
  for (const Interface& each : values)
    list.push_back(std::make_unique<Interface>(each));
  return list;
}

// Catches everything, since no exception may leave the C function.
template <typename Interface, typename Make>
bool give(const Make& make, void (*take)(void*, void*), void* host, char* error, std::size_t error_size) noexcept {
  try {
    for (std::unique_ptr<Interface>& object : objects<Interface>(make()))
      take(host, static_cast<void*>(object.release()));
    return true;
  } catch (const std::exception& exception) {
    std::snprintf(error, error_size, "%s", exception.what());
  } catch (...) {
    std::snprintf(error, error_size, "an exception of an unknown type");
  }
  return false;
}

} // namespace headscope::plugin

#define HEADSCOPE_PLUGIN_OF(INTERFACE, KIND, ...)                                                                      \
  extern "C" __attribute__((visibility("default"))) const headscope_plugin_table* headscope_plugin(void) {             \
    static const headscope_plugin_table table = {                                                                      \
        HEADSCOPE_SDK_VERSION, KIND,                                                                                   \
        [](void (*take)(void*, void*), void* host, char* error, std::size_t size) -> bool {                            \
          return headscope::plugin::give<INTERFACE>([] { return __VA_ARGS__; }, take, host, error, size);              \
        }};                                                                                                            \
    return &table;                                                                                                     \
  }

// Used once in a module, with an expression that makes a unique_ptr to one object, or a vector of unique_ptr.
#define HEADSCOPE_DETECTOR_PLUGIN(...) HEADSCOPE_PLUGIN_OF(headscope::Detector, "detector", __VA_ARGS__)
// The same with a headscope::mechanisms::MechanismDefinition, or a vector of them (core/mechanisms/mechanism.h).
#define HEADSCOPE_MECHANISM_PLUGIN(...)                                                                                \
  HEADSCOPE_PLUGIN_OF(headscope::mechanisms::MechanismDefinition, "mechanism", __VA_ARGS__)
