# SPDX-License-Identifier: GPL-3.0-or-later
# Helpers that give every target of the project the same warnings, sanitizers and include root.

find_program(HEADSCOPE_CCACHE ccache)
if(HEADSCOPE_CCACHE)
  # This sloppiness is what ccache's manual requires with precompiled headers.
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

# headscope_write_list(HEADER NAMESPACE TYPE NAME ...): a header with `files`, the addresses of objects that are each in a
# file of its name.
function(headscope_write_list header namespace type)
  list(JOIN ARGN ", " names)
  list(TRANSFORM ARGN PREPEND "&" OUTPUT_VARIABLE addresses)
  list(JOIN addresses ", " addresses)
  file(RELATIVE_PATH folder "${CMAKE_SOURCE_DIR}" "${CMAKE_CURRENT_SOURCE_DIR}")
  file(CONFIGURE OUTPUT "${header}" CONTENT
"// Made by ${folder}/CMakeLists.txt of the files that it found.
namespace ${namespace} {
extern const ${type} ${names};
inline constexpr const ${type}* files[] = {${addresses}};
} // namespace ${namespace}
" @ONLY)
endfunction()

# headscope_find_names(VARIABLE FOLDER FIRST): the names of the source files of a folder, FIRST before all others.
function(headscope_find_names variable folder first)
  file(GLOB files CONFIGURE_DEPENDS RELATIVE "${CMAKE_CURRENT_SOURCE_DIR}/${folder}" ${folder}/*.cpp)
  list(TRANSFORM files REPLACE "\\.cpp$" "")
  list(REMOVE_ITEM files ${first})
  list(PREPEND files ${first})
  set(${variable} "${files}" PARENT_SCOPE)
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

# Shares the headers that tests include besides those of what they test. Tests are compiled with -O1: nothing in them is
# timed, and they are half of the build.
function(headscope_share_test_headers name torch)
  # GCC 12 sees overflows in std::string where there are none (its bug 105651).
  set(quick -O1 -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread -Wno-array-bounds)
  set(headers headscope_test_headers)
  if(torch)
    set(headers headscope_torch_test_headers)
  endif()
  if(NOT TARGET ${headers})
    file(WRITE "${CMAKE_BINARY_DIR}/${headers}.cpp" "")
    add_library(${headers} OBJECT "${CMAKE_BINARY_DIR}/${headers}.cpp")
    target_compile_options(${headers} PRIVATE ${quick})
    target_link_libraries(${headers} PRIVATE headscope_options nlohmann_json::nlohmann_json GTest::gtest GTest::gmock)
    target_precompile_headers(${headers} PRIVATE <filesystem> <fstream> <sstream> <gmock/gmock.h> <gtest/gtest.h> <nlohmann/json.hpp>)
    if(torch)
      target_link_libraries(${headers} PRIVATE headscope_torch)
      target_precompile_headers(${headers} PRIVATE <ATen/ATen.h>)
    endif()
  endif()
  target_link_libraries(${name} PRIVATE nlohmann_json::nlohmann_json)
  target_compile_options(${name} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${quick}>")
  target_precompile_headers(${name} REUSE_FROM ${headers})
endfunction()

# Makes a GoogleTest executable without an entry in CTest. `torch`: whether it uses Torch's headers, see above.
function(headscope_test_program name torch)
  cmake_parse_arguments(arg "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE headscope_options ${arg_LIBS} GTest::gtest GTest::gmock GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE
    HEADSCOPE_SOURCE_DIR="${HEADSCOPE_TEST_ROOT}"
    HEADSCOPE_BINARY_DIR="${CMAKE_BINARY_DIR}"
    HEADSCOPE_GOLDEN_DIR="${HEADSCOPE_TEST_ROOT}/tests/golden")
  headscope_share_test_headers(${name} ${torch})
endfunction()

# headscope_test(NAME [TORCH] SOURCES a.cpp ... [LIBS x ...] [LABELS l ...] [TIMEOUT s]): one CTest entry per test case.
# A timeout only ends a test that hangs: no test may depend on how fast it runs.
function(headscope_test name)
  cmake_parse_arguments(arg "TORCH" "TIMEOUT" "SOURCES;LIBS;LABELS" ${ARGN})
  headscope_test_program(${name} ${arg_TORCH} SOURCES ${arg_SOURCES} LIBS ${arg_LIBS})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 1500)
  endif()
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 1200
    PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}")
endfunction()

# headscope_test_in_parts(NAME [TORCH] SOURCES a.cpp ... [LIBS x ...] [LABELS l ...] PARTS part=FILTER ...): one CTest entry
# a part runs the cases that the filter names, in one process: where loading a model costs more than a case. They start
# first, since they are long.
function(headscope_test_in_parts name)
  cmake_parse_arguments(arg "TORCH" "" "SOURCES;LIBS;LABELS;PARTS" ${ARGN})
  headscope_test_program(${name} ${arg_TORCH} SOURCES ${arg_SOURCES} LIBS ${arg_LIBS})
  foreach(part IN LISTS arg_PARTS)
    string(REGEX MATCH "^([^=]+)=(.+)$" _ "${part}")
    add_test(NAME ${name}.${CMAKE_MATCH_1} COMMAND ${name} "--gtest_filter=${CMAKE_MATCH_2}")
    set_tests_properties(${name}.${CMAKE_MATCH_1} PROPERTIES TIMEOUT 6000 LABELS "${arg_LABELS}" COST 1000)
  endforeach()
endfunction()
