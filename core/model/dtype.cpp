// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/model/dtype.h"

namespace headscope {
namespace {

constexpr Named<at::ScalarType> dtypes[] = {
    {at::kFloat, "float32", "4 bytes a number"},
    {at::kBFloat16, "bfloat16", "2 bytes a number, with the range of float32 and 8 bits of precision"},
    {at::kHalf, "float16", "2 bytes a number, at most 65504, with 11 bits of precision"},
};

} // namespace

template <> std::span<const Named<at::ScalarType>> names_of<at::ScalarType>() { return dtypes; }

} // namespace headscope
