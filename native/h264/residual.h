// residual() (ITU-T H.264, 7.3.5.3): a macroblock's blocks of coefficients in their order, and what
// their levels amount to once they are scaled (8.5.9 to 8.5.13).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "macroblock.h"
#include "residual_block.h"
#include "scales.h"
#include "slice_state.h"
#include "tracking.h"

namespace costream::h264 {

// Syntax: CabacSyntax or CavlcSyntax.
template <typename Syntax>
class ResidualReader {
 public:
  ResidualReader(const SliceState& state, Syntax& syntax, MacroblockTracking& tracking)
      : state_(state), syntax_(syntax), tracking_(tracking) {}

  // Reads the blocks that the macroblock's pattern names, and with `intra_16x16` luma DC. Adds to
  // the picture's energy. False: damaged.
  bool read(bool intra_16x16);

 private:
  template <Block kBlock>
  bool luma_4x4(const std::uint16_t* scale);
  bool luma_8x8();
  bool chroma();
  template <int kSize, int kShift>
  [[gnu::always_inline]] inline void add_energy(int x, int y, std::uint64_t sum);

  bool intra() const { return (state_.current->flags & Macroblock::kIntra) != 0; }
  bool bypassed() const { return state_.slice.sps->transform_bypass && qp_ == 0; }
  // 8x8 luma blocks with coefficients, a bit each.
  unsigned coded_luma() const { return state_.current->pattern & 15; }

  const SliceState& state_;
  Syntax& syntax_;
  MacroblockTracking& tracking_;
  int qp_ = 0;  // QP'_Y of the macroblock
};

template <typename Syntax>
bool ResidualReader<Syntax>::read(bool intra_16x16) {
  qp_ = state_.luma_qp();
  const std::uint16_t* const scale =
      bypassed() ? kBypass4x4.data() : state_.slice.scales->four[intra() ? 0 : 1][qp_ % 6];
  if (intra_16x16) {
    std::uint16_t flat[16];
    std::fill_n(flat, 16, scale[0]);
    std::uint64_t sum = 0;
    if (!syntax_.template residual_block<Block::kLumaDc, true>(0, 0, 0, flat, tracking_.levels(),
                                                               sum))
      return false;
    if (sum > 0) {
      if (tracking_.active()) tracking_.take_dc(scale);
      add_energy<4, 4>(0, 0, sum);
    }
  }
  if (coded_luma() != 0) {
    const bool good = (state_.current->flags & Macroblock::kTransform8x8) != 0 ? luma_8x8()
                      : intra_16x16 ? luma_4x4<Block::kLumaAc>(scale)
                                    : luma_4x4<Block::kLuma4x4>(scale);
    if (!good) return false;
  }
  return chroma();
}

// residual_luma() (7.3.5.3.1) in 4x4 blocks. Unrolled: where bins come between, no branch predictor
// counts to four.
template <typename Syntax>
template <Block kBlock>
bool ResidualReader<Syntax>::luma_4x4(const std::uint16_t* scale) {
  constexpr bool kWhole = kBlock == Block::kLuma4x4;  // with the first coefficient
  for (unsigned left = coded_luma(); left != 0; left &= left - 1) {
    const int block = __builtin_ctz(left);
#pragma GCC unroll 4
    for (int at = 4 * block; at < 4 * block + 4; ++at) {
      const int x = kBlockX[at];
      const int y = kBlockY[at];
      std::uint64_t sum = 0;
      if (!syntax_.template residual_block<kBlock, true>(x, y, 0, kWhole ? scale : scale + 1,
                                                         tracking_.levels(), sum))
        return false;
      if (sum == 0) continue;
      if (tracking_.active()) {
        if (kWhole)
          tracking_.take_4x4(4 * y + x, scale);
        else
          tracking_.discard_4x4();
      }
      add_energy<1, 4>(x, y, sum);
    }
  }
  return true;
}

template <typename Syntax>
bool ResidualReader<Syntax>::luma_8x8() {
  const std::uint16_t* const scale =
      bypassed() ? kBypass8x8.data() : state_.slice.scales->eight[intra() ? 0 : 1][qp_ % 6];
  for (unsigned left = coded_luma(); left != 0; left &= left - 1) {
    const int block = __builtin_ctz(left);
    const int x = 2 * (block & 1);
    const int y = block & 2;
    std::uint64_t sum = 0;
    if (!syntax_.residual_block_8x8(x, y, scale, tracking_.levels(), sum)) return false;
    if (sum == 0) continue;
    if (tracking_.active()) tracking_.take_8x8(block, scale);
    add_energy<2, 6>(x, y, sum);
  }
  return true;
}

// Chroma is parsed for what comes behind it alone.
template <typename Syntax>
bool ResidualReader<Syntax>::chroma() {
  const int coded = state_.current->pattern >> 4;  // CodedBlockPatternChroma
  std::uint64_t none = 0;
  if (coded == 0) return true;
#pragma GCC unroll 2
  for (int plane = 1; plane < 3; ++plane)
    if (!syntax_.template residual_block<Block::kChromaDc, false>(0, 0, plane, nullptr, nullptr,
                                                                  none))
      return false;
  if (coded != 2) return true;
  for (int plane = 1; plane < 3; ++plane) {
#pragma GCC unroll 4
    for (int at = 0; at < 4; ++at)
      if (!syntax_.template residual_block<Block::kChromaAc, false>(at & 1, at >> 1, plane, nullptr,
                                                                    nullptr, none))
        return false;
  }
  return true;
}

// The energy of a transform block of kSize x kSize 4x4 blocks, spread over them. kShift: bits of
// the scale below the point. Rounded up, so that it is 0 only where nothing was coded.
template <typename Syntax>
template <int kSize, int kShift>
inline void ResidualReader<Syntax>::add_energy(int x, int y, std::uint64_t sum) {
  if (tracking_.active()) return;
  constexpr int kBlocks = kSize * kSize;
  sum <<= qp_ / 6;
  sum = (sum + (std::uint64_t{kBlocks} << kShift) - 1) / (std::uint64_t{kBlocks} << kShift);
  const auto each = static_cast<std::uint32_t>(std::min<std::uint64_t>(sum, 1u << 30));
  std::uint32_t* energy =
      &state_.picture.energy[static_cast<std::size_t>(state_.corner + y * state_.columns + x)];
  for (int row = 0; row < kSize; ++row, energy += state_.columns)
    for (int column = 0; column < kSize; ++column) energy[column] += each;
}

}  // namespace costream::h264
