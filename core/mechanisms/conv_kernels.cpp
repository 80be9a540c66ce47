// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/mechanisms/conv_kernels.h"

#include <cmath>
#include <map>
#include <sstream>

#include "core/base/text_file.h"

namespace headscope::mechanisms {

std::vector<double> ConvKernel::weights(std::int64_t place, std::int64_t channels) const {
  std::vector<double> out;
  for (std::int64_t channel = 0; channel < channels; ++channel) {
    const std::size_t at = by_channel_.size() == 1 ? 0 : static_cast<std::size_t>(channel);
    out.push_back(at < by_channel_.size() ? by_channel_[at][static_cast<std::size_t>(place)] : place == 2 ? 1.0 : 0.0);
  }
  return out;
}

Result<ConvKernels> read_conv_kernels(const std::string& path) {
  HS_ASSIGN(const std::string text, read_text_file(path));
  std::map<std::string, std::vector<ConvKernel::Weights>> parts;
  std::istringstream lines(text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (number == 1 && line == "part,channel,w0,w1,w2") continue;
    if (line.empty()) continue;
    std::istringstream fields(line);
    std::string part;
    std::int64_t channel = -1;
    ConvKernel::Weights weights{};
    std::array<char, 4> commas{};
    std::getline(fields, part, ',');
    fields >> channel >> commas[0] >> weights[0] >> commas[1] >> weights[1] >> commas[2] >> weights[2];
    const bool known = part == "q" || part == "k" || part == "v";
    const bool finite = std::isfinite(weights[0]) && std::isfinite(weights[1]) && std::isfinite(weights[2]);
    if (number == 1 || !fields || !known || channel < 0 || channel >= 65536 || !finite || fields.peek() != EOF)
      return make_error(ErrorCode::invalid_argument,
                        "line " + std::to_string(number) + " must be part,channel,w0,w1,w2 with q, k or v as part",
                        path, "file");
    std::vector<ConvKernel::Weights>& kernel = parts[part];
    if (std::ssize(kernel) <= channel) kernel.resize(static_cast<std::size_t>(channel) + 1, {0.0, 0.0, 1.0});
    kernel[static_cast<std::size_t>(channel)] = weights;
  }
  const auto kernel_of = [&](const char* part) {
    std::vector<ConvKernel::Weights> found = parts[part];
    found.push_back({0.0, 0.0, 1.0}); // so that one line is not taken for all channels
    return ConvKernel(std::move(found));
  };
  return ConvKernels{kernel_of("q"), kernel_of("k"), kernel_of("v")};
}

} // namespace headscope::mechanisms
