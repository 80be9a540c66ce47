# SPDX-License-Identifier: GPL-3.0-or-later
# Dependencies from Debian. Their versions are pinned by the release named in scripts/dependencies.sh.

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(CLI11 2.1 REQUIRED)
find_package(spdlog 1.10 REQUIRED)
find_package(fmt REQUIRED)
if(HEADSCOPE_STATIC_DEPS)
  set(HDF5_USE_STATIC_LIBRARIES ON)
endif()
find_package(HDF5 1.10 REQUIRED COMPONENTS C HL) # needs the C language enabled above
find_package(ZLIB REQUIRED) # HDF5 needs it anyhow
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(SENTENCEPIECE REQUIRED IMPORTED_TARGET sentencepiece)
pkg_check_modules(TOMLPLUSPLUS REQUIRED IMPORTED_TARGET tomlplusplus)

# headscope_import(NAME TARGET [ARCHIVE.a ...]): the shared library, or the named archives.
function(headscope_import name target)
  add_library(${name} INTERFACE)
  if(NOT HEADSCOPE_STATIC_DEPS)
    target_link_libraries(${name} INTERFACE ${target})
    return()
  endif()
  foreach(archive IN LISTS ARGN)
    find_library(${name}_${archive} ${archive} REQUIRED)
    target_link_libraries(${name} INTERFACE ${${name}_${archive}})
  endforeach()
endfunction()
# Debian has no archive of SentencePiece, and that of libcrypto adds 5 MB to every program: both shared libraries, which
# need only libstdc++ and libc, are packed with the programs (scripts/package-headless).
add_library(headscope_sentencepiece INTERFACE)
if(HEADSCOPE_STATIC_DEPS)
  find_library(HEADSCOPE_SENTENCEPIECE_LIBRARY sentencepiece REQUIRED) # not the one that trains
  target_link_libraries(headscope_sentencepiece INTERFACE ${HEADSCOPE_SENTENCEPIECE_LIBRARY})
else()
  target_link_libraries(headscope_sentencepiece INTERFACE PkgConfig::SENTENCEPIECE)
endif()
# spdlog, fmt and toml++ are used as headers only, rather than as shared libraries.
add_library(headscope_spdlog INTERFACE)
add_library(headscope_tomlplusplus INTERFACE)
if(HEADSCOPE_STATIC_DEPS)
  target_compile_definitions(headscope_spdlog INTERFACE SPDLOG_FMT_EXTERNAL)
  target_link_libraries(headscope_spdlog INTERFACE fmt::fmt-header-only)
  target_compile_definitions(headscope_tomlplusplus INTERFACE TOML_HEADER_ONLY=1)
else()
  target_link_libraries(headscope_spdlog INTERFACE spdlog::spdlog fmt::fmt)
  target_link_libraries(headscope_tomlplusplus INTERFACE PkgConfig::TOMLPLUSPLUS)
endif()
headscope_import(headscope_pcre2 PkgConfig::PCRE2 libpcre2-8.a)
headscope_import(headscope_zlib ZLIB::ZLIB libz.a)
headscope_import(headscope_utf8proc PkgConfig::UTF8PROC libutf8proc.a)

add_library(headscope_hdf5 INTERFACE)
target_include_directories(headscope_hdf5 SYSTEM INTERFACE ${HDF5_C_INCLUDE_DIRS})
if(HEADSCOPE_STATIC_DEPS)
  # FindHDF5 names the archives of HDF5 but shared libraries for what they need. libcurl and libcrypto serve
  # only the S3 driver, an object that nothing here pulls out of the archive.
  set(hdf5_archives ${HDF5_C_LIBRARIES})
  list(FILTER hdf5_archives INCLUDE REGEX "libhdf5[^/]*\\.a$")
  headscope_import(headscope_hdf5_needs none libsz.a libaec.a libz.a)
  target_link_libraries(headscope_hdf5 INTERFACE
    ${HDF5_C_HL_LIBRARIES} ${hdf5_archives} headscope_hdf5_needs ${CMAKE_DL_LIBS} m)
else()
  target_link_libraries(headscope_hdf5 INTERFACE ${HDF5_C_HL_LIBRARIES} ${HDF5_C_LIBRARIES} ${CMAKE_DL_LIBS})
endif()

if(HEADSCOPE_QT)
  find_package(Qt6 6.4 REQUIRED COMPONENTS Core Gui Svg Widgets Charts Test)
endif()
if(HEADSCOPE_TESTS)
  find_package(GTest 1.12 REQUIRED)
  include(GoogleTest)
endif()
