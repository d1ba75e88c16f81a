// Scan orders of coefficients, and the contexts of sig_coeff_flag along them.
#pragma once

#include <cstdint>

namespace costream::h265 {

enum ScanOrder : int { kDiagonal = 0, kHorizontal = 1, kVertical = 2 };

struct ScanTables {
  // By scan order: raster position (y * 4 + x) of each coefficient of a 4x4 sub-block, and the
  // inverse.
  std::uint8_t position[3][16];
  std::uint8_t rank[3][16];
  // By scan order and log2 of the side in sub-blocks: y * 8 + x of each sub-block, and the
  // inverse. Horizontal and vertical scans have blocks of 2x2 sub-blocks at most.
  std::uint8_t block[3][4][64];
  std::uint8_t block_rank[3][4][64];
  std::uint8_t diagonal8[64];  // y * 8 + x of the up-right diagonal scan of an 8x8 block
  // Part of sigCtx (9.3.4.2.5) that the position in a sub-block decides, by scan order: in 4x4
  // blocks, and in larger ones by the coded sub-blocks to the right (1) and below (2).
  std::uint8_t context4[3][16];
  std::uint8_t context[3][4][16];
};

constexpr ScanTables make_scan_tables() {
  ScanTables tables{};
  constexpr std::uint8_t kContext4[16] = {0, 1, 4, 5, 2, 3, 4, 5, 6, 6, 8, 8, 7, 7, 8, 8};
  for (int order = 0; order < 3; ++order) {
    for (int log2 = 0; log2 < 4; ++log2) {
      const int side = 1 << log2;
      int next = 0;
      const auto put = [&](int x, int y) {
        tables.block[order][log2][next] = static_cast<std::uint8_t>(y * 8 + x);
        tables.block_rank[order][log2][y * 8 + x] = static_cast<std::uint8_t>(next);
        if (log2 == 2) {
          tables.position[order][next] = static_cast<std::uint8_t>(y * 4 + x);
          tables.rank[order][y * 4 + x] = static_cast<std::uint8_t>(next);
        }
        ++next;
      };
      if (order == kDiagonal) {
        for (int sum = 0; sum < 2 * side - 1; ++sum)
          for (int x = 0; x < side; ++x)
            if (sum - x >= 0 && sum - x < side) put(x, sum - x);
      } else {
        for (int a = 0; a < side; ++a)
          for (int b = 0; b < side; ++b) order == kHorizontal ? put(b, a) : put(a, b);
      }
    }
    for (int i = 0; i < 16; ++i) {
      const int x = tables.position[order][i] & 3, y = tables.position[order][i] >> 2;
      tables.context4[order][i] = kContext4[y * 4 + x];
      tables.context[order][0][i] = static_cast<std::uint8_t>(x + y == 0 ? 2 : x + y < 3 ? 1 : 0);
      tables.context[order][1][i] = static_cast<std::uint8_t>(y == 0 ? 2 : y == 1 ? 1 : 0);
      tables.context[order][2][i] = static_cast<std::uint8_t>(x == 0 ? 2 : x == 1 ? 1 : 0);
      tables.context[order][3][i] = 2;
    }
  }
  for (int i = 0; i < 64; ++i) tables.diagonal8[i] = tables.block[kDiagonal][3][i];
  return tables;
}

inline constexpr ScanTables kScan = make_scan_tables();

}  // namespace costream::h265
