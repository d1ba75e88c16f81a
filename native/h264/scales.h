// What levels of coefficients are scaled by (ITU-T H.264, 8.5.9).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "parameters.h"

namespace costream::h264 {

// Scales of coefficients: LevelScale4x4 and LevelScale8x8 of luma by qP % 6 and position in the
// scan, of intra and of inter macroblocks.
struct Scales {
  explicit Scales(const ScalingLists& lists);
  Scales() = default;

  std::uint16_t four[2][6][16];
  std::uint16_t eight[2][6][64];
};

// Scales where the transform is bypassed (qP' 0 with qpprime_y_zero_transform_bypass_flag): a
// residual sample counts like a coefficient of the same norm.
template <std::size_t kSize>
constexpr std::array<std::uint16_t, kSize> bypass_scale(std::uint16_t scale) {
  std::array<std::uint16_t, kSize> scales{};
  for (auto& entry : scales) entry = scale;
  return scales;
}
inline constexpr auto kBypass4x4 = bypass_scale<16>(16 << 4);
inline constexpr auto kBypass8x8 = bypass_scale<64>(16 << 6);

}  // namespace costream::h264
