# SPDX-License-Identifier: GPL-3.0-or-later
# Programs that open plugins.

# The libraries of Headscope that modules may call; all of them must be in the program, used there or not.
set(HEADSCOPE_SDK_LIBRARIES
  headscope_base headscope_vocabulary headscope_io headscope_text headscope_prompts headscope_store headscope_model headscope_engine
  headscope_mechanisms headscope_scoring headscope_sweeps headscope_analysis headscope_graph headscope_circuits headscope_sdk)
set(HEADSCOPE_PLUGIN_FOLDER "${CMAKE_BINARY_DIR}/lib/headscope/plugins")
set(HEADSCOPE_PYTHON_FOLDER "${CMAKE_BINARY_DIR}/lib/headscope/python")

# In-tree plugins use the sources' headers and warnings.
add_library(headscope_sdk_headers INTERFACE)
add_library(Headscope::sdk ALIAS headscope_sdk_headers)
target_link_libraries(headscope_sdk_headers INTERFACE headscope_options)
target_compile_options(headscope_sdk_headers INTERFACE $<TARGET_PROPERTY:headscope_torch,INTERFACE_COMPILE_OPTIONS>)

# headscope_opens_plugins(PROGRAM): links everything that modules may call into the program, and exports only that.
function(headscope_opens_plugins program)
  # CMake's own WHOLE_ARCHIVE names a library more than once where others depend on it, which the linker refuses.
  set(archives "")
  foreach(library IN LISTS HEADSCOPE_SDK_LIBRARIES)
    string(APPEND archives ",$<TARGET_FILE:${library}>")
  endforeach()
  target_sources(${program} PRIVATE $<TARGET_OBJECTS:headscope_start>)
  target_link_libraries(${program} PRIVATE headscope_host ${HEADSCOPE_SDK_LIBRARIES})
  set(exported "${CMAKE_SOURCE_DIR}/scripts/cmake/exported_symbols.txt")
  target_link_options(${program} PRIVATE
    "-Wl,--dynamic-list=${exported}" "-Wl,--push-state,--whole-archive${archives},--pop-state")
  set_property(TARGET ${program} APPEND PROPERTY LINK_DEPENDS "${exported}")
  if(NOT HEADSCOPE_RPATH)
    set_target_properties(${program} PROPERTIES
      BUILD_RPATH "${HEADSCOPE_TORCH_ROOT}/lib" INSTALL_RPATH "$ORIGIN/../lib;${HEADSCOPE_TORCH_ROOT}/lib")
  endif()
  add_dependencies(${program} headscope_detectors_module headscope_python_files)
endfunction()
