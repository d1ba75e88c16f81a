// Syntax elements of slice data in Exp-Golomb codes and CAVLC (ITU-T H.264, 9.1 and 9.2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "cavlc_codes.h"
#include "macroblock.h"
#include "residual_block.h"
#include "residual_cavlc.h"
#include "slice_bits.h"
#include "slice_state.h"
#include "vector.h"

namespace costream::h264 {

// Reads the elements of the macroblock at hand, one after the other, as CabacSyntax does. What is
// empty here keeps what contexts need there.
class CavlcSyntax {
 public:
  explicit CavlcSyntax(const SliceState& state)
      : state_(state), bits_(state.slice.data, state.slice.size) {
    bits_.seek(state.slice.header->data);
  }

  // Bits read, and going on at a bit.
  std::size_t position() const { return bits_.position(); }
  void seek(std::size_t bit) { bits_.seek(bit); }

  // Slice data (7.3.4).
  std::uint32_t mb_skip_run() { return bits_.ue(); }
  bool more_rbsp_data() const { return bits_.position() < state_.slice.stop; }

  // Macroblock layer (7.3.5).
  int mb_type() { return static_cast<int>(bits_.ue()); }
  bool transform_size_8x8_flag() { return bits_.flag(); }
  bool coded_block_pattern(bool intra);
  bool mb_qp_delta(int, int& delta) {
    delta = bits_.se();
    return true;
  }
  void no_qp_delta() {}

  // Macroblock prediction (7.3.5.1, 7.3.5.2).
  void intra_pred_modes(int (&codes)[16], int count) {
    for (int mode = 0; mode < count; ++mode)
      codes[mode] = bits_.flag() ? -1 : static_cast<int>(bits_.read(3));
  }
  bool intra_chroma_pred_mode() { return bits_.ue() <= 3; }
  int sub_mb_type() { return static_cast<int>(bits_.ue()); }
  int ref_idx(int list, int blocks);

  // mvd_l0 and mvd_l1.
  Vector whole_mvd(int) { return read_mvd(); }
  void no_whole_mvd(int) {}
  void end_whole_mvds() {}
  void begin_mvds(int) {}
  Vector mvd(int, int, int, int) { return read_mvd(); }
  void no_mvds(int) {}
  void end_mvds() {}

  // Residual (7.3.5.3).
  void begin_residual();
  void end_residual();
  void no_residual() { state_.canvas.totals[state_.address].fill(0); }
  template <Block kBlock, bool kSum>
  bool residual_block(int x, int y, int plane, const std::uint16_t* scale, std::int32_t* levels,
                      std::uint64_t& sum) {
    return read_block<kBlock, kSum>(x, y, plane, scale, 1, levels, sum);
  }
  bool residual_block_8x8(int x, int y, const std::uint16_t* scale, std::int32_t* levels,
                          std::uint64_t& sum);
  // All blocks count as having all coefficients (9.2.1).
  void pcm() { state_.canvas.totals[state_.address].fill(16); }

 private:
  static constexpr std::uint8_t kOutside = 64;  // for total_coeff of a neighbour that there isn't

  Vector read_mvd() {
    const int x = bits_.se();
    const int y = bits_.se();
    return {x, y};
  }
  template <Block kBlock, bool kSum>
  bool read_block(int x, int y, int plane, const std::uint16_t* scale, int stride,
                  std::int32_t* levels, std::uint64_t& sum);

  const SliceState& state_;
  SliceBits bits_;
  // total_coeff of luma, Cb and Cr, laid out as block_grid says; kOutside for neighbours that there
  // are none of.
  std::uint8_t totals_[3][block_grid::kSize];
};

// 9.1.2
inline bool CavlcSyntax::coded_block_pattern(bool intra) {
  const std::uint32_t code = bits_.ue();
  if (code >= (state_.has_chroma ? 48u : 16u)) return false;
  state_.current->pattern = state_.has_chroma ? kCodedBlockPattern[intra ? 0 : 1][code]
                                              : kCodedBlockPatternGrey[intra ? 0 : 1][code];
  return true;
}

// -1: damaged.
inline int CavlcSyntax::ref_idx(int list, int) {
  const int active = state_.slice.header->references[list];
  if (active == 2) return bits_.flag() ? 0 : 1;
  const int reference = static_cast<int>(bits_.ue());
  return reference < active ? reference : -1;
}

// total_coeff of the neighbours.
inline void CavlcSyntax::begin_residual() {
  const auto outside = [](const Macroblock* macroblock) {
    return macroblock == &kOutsideInter || macroblock == &kOutsideIntra;
  };
  const auto& totals = state_.canvas.totals;
  const bool left = !outside(state_.left);
  const bool above = !outside(state_.above);
  for (int plane = 0; plane < 3; ++plane) {
    const int width = plane == 0 ? 4 : 2;
    const auto base = static_cast<std::size_t>(plane == 0 ? 0 : 12 + 4 * plane);
    for (int at = 0; at < width; ++at) {
      const auto right = base + static_cast<std::size_t>(at * width + width - 1);
      const auto lowest = base + static_cast<std::size_t>((width - 1) * width + at);
      totals_[plane][block_grid::at(-1, at)] =
          left ? totals[state_.address - 1][right] : kOutside;
      totals_[plane][block_grid::at(at, -1)] =
          above ? totals[state_.address - static_cast<std::uint32_t>(state_.canvas.width)][lowest]
                : kOutside;
      std::memset(&totals_[plane][block_grid::at(0, at)], 0, 4);
    }
  }
}

inline void CavlcSyntax::end_residual() {
  std::uint8_t* to = state_.canvas.totals[state_.address].data();
  for (int y = 0; y < 4; ++y, to += 4) std::memcpy(to, &totals_[0][block_grid::at(0, y)], 4);
  for (int plane = 1; plane < 3; ++plane)
    for (int y = 0; y < 2; ++y, to += 2) std::memcpy(to, &totals_[plane][block_grid::at(0, y)], 2);
}

// residual_block_cavlc(); `scale` and `levels` go on by `stride` for each coefficient.
template <Block kBlock, bool kSum>
bool CavlcSyntax::read_block(int x, int y, int plane, const std::uint16_t* scale, int stride,
                             std::int32_t* levels, std::uint64_t& sum) {
  std::uint8_t& own = totals_[plane][block_grid::at(x, y)];
  Token token;
  if constexpr (kBlock == Block::kChromaDc) {
    token = read_chroma_dc_token(bits_);
  } else {
    // nC (9.2.1): the mean of the blocks to the left and above, or the one that there is.
    int predicted = *(&own - 1) + *(&own - block_grid::kStride);
    predicted = predicted < kOutside ? (predicted + 1) >> 1 : predicted & (kOutside - 1);
    token = read_token(bits_, predicted);
    if constexpr (kBlock != Block::kLumaDc) own = token.total;
  }
  if (token.total == 0) return token.length != 0;
  const Residual result = read_residual<kBlock, kSum>(bits_, token, scale, stride, levels);
  sum += result.sum;
  return !result.damaged;
}

// Four 4x4 blocks take turns at the coefficients (7.3.5.3.1).
inline bool CavlcSyntax::residual_block_8x8(int x, int y, const std::uint16_t* scale,
                                            std::int32_t* levels, std::uint64_t& sum) {
  for (int turn = 0; turn < 4; ++turn) {
    if (!read_block<Block::kLuma8x8, true>(x + (turn & 1), y + (turn >> 1), 0, scale + turn, 4,
                                           levels ? levels + turn : nullptr, sum))
      return false;
  }
  return true;
}

}  // namespace costream::h264
