# SPDX-License-Identifier: GPL-3.0-or-later
# cmake --install BUILD --prefix PREFIX: installs the programs with their plugins, and what plugins are built against.
# LibTorch is not copied: it is used where it is, or from PREFIX/lib.
set(library lib/headscope)
install(TARGETS headscope headscope-probe-result RUNTIME DESTINATION bin)
if(TARGET headscope-gui)
  install(TARGETS headscope-gui RUNTIME DESTINATION bin OPTIONAL)
endif()
if(TARGET headscope_cuda)
  install(TARGETS headscope_cuda LIBRARY DESTINATION lib OPTIONAL)
endif()
install(TARGETS headscope_detectors_module LIBRARY DESTINATION ${library}/plugins)
install(FILES "${HEADSCOPE_PLUGIN_FOLDER}/detectors.json" DESTINATION ${library}/plugins)
install(FILES "${CMAKE_SOURCE_DIR}/plugins/python/headscope_plugin.py" DESTINATION ${library}/python)

foreach(folder core kernels plugins/sdk)
  get_filename_component(parent "include/headscope/${folder}" DIRECTORY)
  install(DIRECTORY "${CMAKE_SOURCE_DIR}/${folder}" DESTINATION "${parent}" FILES_MATCHING PATTERN "*.h"
    PATTERN circuits EXCLUDE PATTERN plant EXCLUDE) # modules cannot call these
endforeach()
configure_file("${CMAKE_CURRENT_LIST_DIR}/HeadscopeConfig.cmake.in" "${CMAKE_BINARY_DIR}/HeadscopeConfig.cmake" @ONLY)
install(FILES "${CMAKE_BINARY_DIR}/HeadscopeConfig.cmake" "${CMAKE_CURRENT_LIST_DIR}/HeadscopePlugin.cmake"
  DESTINATION lib/cmake/Headscope)
install(DIRECTORY "${CMAKE_SOURCE_DIR}/plugins/template" DESTINATION share/headscope)
