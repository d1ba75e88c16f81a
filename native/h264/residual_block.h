// What is taken of a block of coefficients: parsed for the sum of its scaled levels, never kept.
#pragma once

#include <algorithm>
#include <cstdint>

#include "contexts.h"

namespace costream::h264 {

constexpr int coefficients(Block block) {
  constexpr int kCounts[6] = {16, 15, 16, 4, 15, 64};
  return kCounts[static_cast<int>(block)];
}

// Far below what would overflow; no conforming level is larger.
inline std::int32_t signed_level(std::uint32_t magnitude, bool negative) {
  const auto level = static_cast<std::int32_t>(std::min(magnitude, 1u << 20));
  return negative ? -level : level;
}

struct Residual {
  bool damaged = false;
  std::uint64_t sum = 0;  // of |level| * scale
};

}  // namespace costream::h264
