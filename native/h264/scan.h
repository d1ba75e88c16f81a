// The order in which coefficients of frame macroblocks are coded (ITU-T H.264, 8.5.6 and 8.5.7).
#pragma once

#include <cstdint>

namespace costream::h264 {

// Figures 8-8 and 8-9: frame zig-zag scans, as row * size + column.
inline constexpr std::uint8_t kScan4x4[16] = {0, 1, 4, 8, 5, 2, 3, 6, 9, 12, 13, 10, 7, 11, 14, 15};
inline constexpr std::uint8_t kScan8x8[64] = {
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
};

}  // namespace costream::h264
