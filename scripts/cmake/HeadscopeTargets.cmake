# SPDX-License-Identifier: GPL-3.0-or-later
# Helpers that give every target of the project the same warnings, sanitizers and include root.

find_program(HEADSCOPE_CCACHE ccache)
if(HEADSCOPE_CCACHE)
  # The sloppiness is what ccache's manual asks for with precompiled headers.
  set(CMAKE_C_COMPILER_LAUNCHER ${HEADSCOPE_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${HEADSCOPE_CCACHE})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${HEADSCOPE_CCACHE})
endif()

add_library(headscope_options INTERFACE)
target_include_directories(headscope_options INTERFACE "${CMAKE_SOURCE_DIR}")
target_compile_options(headscope_options INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-fPIC;-Wall;-Wextra;-Wpedantic;-Wshadow;-Wnon-virtual-dtor;-Werror>
  $<$<AND:$<BOOL:${HEADSCOPE_CCACHE}>,$<COMPILE_LANGUAGE:CXX>>:-fpch-preprocess>)
if(HEADSCOPE_SANITIZE)
  target_compile_options(headscope_options INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${HEADSCOPE_SANITIZE};-fno-omit-frame-pointer>)
  target_link_options(headscope_options INTERFACE -fsanitize=${HEADSCOPE_SANITIZE})
endif()

# TORCH: compiled against one shared precompiled <ATen/ATen.h>, which otherwise costs each file ten seconds.
function(headscope_share_torch_headers name)
  if(NOT TARGET headscope_torch_headers)
    file(WRITE "${CMAKE_BINARY_DIR}/torch_headers.cpp" "")
    add_library(headscope_torch_headers OBJECT "${CMAKE_BINARY_DIR}/torch_headers.cpp")
    target_link_libraries(headscope_torch_headers PRIVATE headscope_options headscope_torch)
    target_precompile_headers(headscope_torch_headers PRIVATE <ATen/ATen.h>)
  endif()
  target_precompile_headers(${name} REUSE_FROM headscope_torch_headers)
endfunction()

# headscope_library(NAME [TORCH] SOURCES a.cpp ... [LIBS x ...]): a static library of one folder.
function(headscope_library name)
  cmake_parse_arguments(arg "TORCH" "" "SOURCES;LIBS" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC headscope_options ${arg_LIBS})
  if(arg_TORCH)
    headscope_share_torch_headers(${name})
  endif()
endfunction()

# headscope_test(NAME [TORCH] SOURCES a.cpp ... [LIBS x ...] [LABELS l ...] [TIMEOUT s]): a GoogleTest
# executable, one CTest entry a test case.
function(headscope_test name)
  cmake_parse_arguments(arg "TORCH" "TIMEOUT" "SOURCES;LIBS;LABELS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE headscope_options ${arg_LIBS} GTest::gtest GTest::gmock GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE
    HEADSCOPE_SOURCE_DIR="${HEADSCOPE_TEST_ROOT}"
    HEADSCOPE_BINARY_DIR="${CMAKE_BINARY_DIR}"
    HEADSCOPE_GOLDEN_DIR="${HEADSCOPE_TEST_ROOT}/tests/golden")
  if(arg_TORCH)
    headscope_share_torch_headers(${name})
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
    PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}")
endfunction()
