// SPDX-License-Identifier: GPL-3.0-or-later
// headscope-probe-result KIND < FILE: reads an HDF5 file as a whole and says what is wrong with it, for the programs
// that must not crash on it (core/store/trial.h).
#include <cstdio>
#include <cstring>

#include "core/base/standard_streams.h"
#include "core/store/trial.h"

int main(int argc, char** argv) {
  using headscope::store::TrialKind;
  headscope::open_standard_streams();
  for (const TrialKind kind : {TrialKind::result, TrialKind::array})
    if (argc == 2 && std::strcmp(argv[1], to_string(kind)) == 0) headscope::store::run_trial(kind);
  std::fprintf(stderr, "headscope-probe-result reads standard input for headscope; see headscope inspect\n");
  return 2;
}
