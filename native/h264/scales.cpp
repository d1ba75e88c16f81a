#include "scales.h"

#include <cstddef>

#include "scan.h"

namespace costream::h264 {
namespace {

// The norm of each position's basis function, by qP % 6 (8.5.9): 4x4 by both coordinates even, both
// odd, others; 8x8 by the six classes of the standard.
constexpr std::uint8_t kNorm4x4[6][3] = {{10, 16, 13}, {11, 18, 14}, {13, 20, 16},
                                         {14, 23, 18}, {16, 25, 20}, {18, 29, 23}};
constexpr std::uint8_t kNorm8x8[6][6] = {{20, 18, 32, 19, 25, 24}, {22, 19, 35, 21, 28, 26},
                                         {26, 23, 42, 24, 33, 31}, {28, 25, 45, 26, 35, 33},
                                         {32, 28, 51, 30, 40, 38}, {36, 32, 58, 34, 46, 43}};

}  // namespace

Scales::Scales(const ScalingLists& lists) {
  for (std::size_t inter = 0; inter < 2; ++inter) {
    for (int qp = 0; qp < 6; ++qp) {
      for (std::size_t at = 0; at < 16; ++at) {
        const int row = kScan4x4[at] / 4;
        const int column = kScan4x4[at] % 4;
        const int norm = row % 2 == 0 && column % 2 == 0   ? 0
                         : row % 2 == 1 && column % 2 == 1 ? 1
                                                           : 2;
        four[inter][qp][at] =
            static_cast<std::uint16_t>(lists.four[3 * inter][at] * kNorm4x4[qp][norm]);
      }
      for (std::size_t at = 0; at < 64; ++at) {
        const int row = kScan8x8[at] / 8;
        const int column = kScan8x8[at] % 8;
        int norm = 5;
        if (row % 4 == 0 && column % 4 == 0)
          norm = 0;
        else if (row % 2 == 1 && column % 2 == 1)
          norm = 1;
        else if (row % 4 == 2 && column % 4 == 2)
          norm = 2;
        else if ((row % 4 == 0 && column % 2 == 1) || (row % 2 == 1 && column % 4 == 0))
          norm = 3;
        else if ((row % 4 == 0 && column % 4 == 2) || (row % 4 == 2 && column % 4 == 0))
          norm = 4;
        eight[inter][qp][at] =
            static_cast<std::uint16_t>(lists.eight[inter][at] * kNorm8x8[qp][norm]);
      }
    }
  }
}

}  // namespace costream::h264
