// SPDX-License-Identifier: GPL-3.0-or-later
// The methods `bench load`, `bench sweep`, ...: how fast Headscope is on this machine. Each is in the file of its name.
#pragma once

#include "app/methods/base/method.h"

namespace headscope::methods {

std::unique_ptr<Method> make_bench_sweep();
std::unique_ptr<Method> make_bench_eap_ig();
std::unique_ptr<Method> make_bench_load();
std::unique_ptr<Method> make_bench_peak();
std::unique_ptr<Method> make_bench_growth();
std::unique_ptr<Method> make_bench_compare();

} // namespace headscope::methods
