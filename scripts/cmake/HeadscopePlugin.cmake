# SPDX-License-Identifier: GPL-3.0-or-later
# Plugin modules, inside this project and outside: find_package(Headscope) includes this file.

# headscope_read_abi(TORCH_ROOT SDK_HEADER): sets HEADSCOPE_SDK_VERSION and HEADSCOPE_ABI_LIBTORCH, _CUDA and _COMPILER
# for the caller. A module built now has these in its manifest, and a program built now accepts them.
function(headscope_read_abi torch_root sdk_header)
  file(READ "${torch_root}/version.py" version)
  string(REGEX MATCH "__version__ = '([0-9.]+)" _ "${version}")
  set(HEADSCOPE_ABI_LIBTORCH "${CMAKE_MATCH_1}" PARENT_SCOPE)
  if(version MATCHES "\ncuda: [^=]*= '([0-9.]+)'")
    set(HEADSCOPE_ABI_CUDA "${CMAKE_MATCH_1}" PARENT_SCOPE)
  else()
    set(HEADSCOPE_ABI_CUDA none PARENT_SCOPE)
  endif()
  string(REGEX MATCH "^[0-9]+" major "${CMAKE_CXX_COMPILER_VERSION}")
  set(HEADSCOPE_ABI_COMPILER "${CMAKE_CXX_COMPILER_ID} ${major}" PARENT_SCOPE)
  file(STRINGS "${sdk_header}" line REGEX "#define HEADSCOPE_SDK_VERSION ")
  string(REGEX MATCH "[0-9]+" sdk "${line}")
  set(HEADSCOPE_SDK_VERSION "${sdk}" PARENT_SCOPE)
endfunction()

# headscope_plugin(TARGET ID id KIND detector|mechanism SOURCES a.cpp ... [FOLDER dir]): the module ID.so and
# its manifest ID.json in FOLDER (plugins/ of the build folder). A module does not link the functions of Headscope and
# LibTorch; the program that opens it provides them.
function(headscope_plugin target)
  cmake_parse_arguments(arg "" "ID;KIND;FOLDER" "SOURCES" ${ARGN})
  if(NOT arg_FOLDER)
    set(arg_FOLDER "${CMAKE_CURRENT_BINARY_DIR}/plugins")
  endif()
  add_library(${target} MODULE ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE Headscope::sdk)
  set_target_properties(${target} PROPERTIES PREFIX "" OUTPUT_NAME "${arg_ID}" LIBRARY_OUTPUT_DIRECTORY "${arg_FOLDER}")
  file(GENERATE OUTPUT "${arg_FOLDER}/${arg_ID}.json" CONTENT "{
  \"headscope_plugin\": 1,
  \"id\": \"${arg_ID}\",
  \"kind\": \"${arg_KIND}\",
  \"module\": \"${arg_ID}.so\",
  \"sdk\": ${HEADSCOPE_SDK_VERSION},
  \"abi\": {\"libtorch\": \"${HEADSCOPE_ABI_LIBTORCH}\", \"cuda\": \"${HEADSCOPE_ABI_CUDA}\", \"compiler\": \"${HEADSCOPE_ABI_COMPILER}\"}
}
")
endfunction()

# headscope_check_mechanisms(TARGET SPEC ...): a test for each spec, e.g. mine:width=5, that compares the mechanism's form
# with its reference (headscope mechanisms SPEC --check).
function(headscope_check_mechanisms target)
  foreach(spec IN LISTS ARGN)
    add_test(NAME "${spec}" COMMAND "${HEADSCOPE_PROGRAM}" mechanisms "${spec}" --check)
    set_tests_properties("${spec}" PROPERTIES ENVIRONMENT "HEADSCOPE_PLUGINS=$<TARGET_FILE_DIR:${target}>")
  endforeach()
endfunction()
