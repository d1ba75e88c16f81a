// Syntax elements of slice data in CABAC (ITU-T H.264, 9.3): their binarization (9.3.2) and the
// contexts of their bins (9.3.3.1).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "../common/cabac.h"
#include "contexts.h"
#include "macroblock.h"
#include "residual_block.h"
#include "residual_cabac.h"
#include "slice_state.h"
#include "vector.h"

namespace costream::h264 {

// Reads the elements of the macroblock at hand, one after the other. CavlcSyntax has the same
// methods, where both codings have the element.
class CabacSyntax {
 public:
  explicit CabacSyntax(const SliceState& state);

  // Bits read (Cabac::position), and going on at a bit, a byte's first, behind PCM samples.
  std::size_t position() const { return cabac_.position(); }
  void seek(std::size_t bit) {
    cabac_ = Cabac(state_.slice.data, state_.slice.size, bit / 8);
  }

  // Slice data (7.3.4). skip_run() reads skipped macroblocks of P slices, `limit` at most, and
  // end_of_slice_flag behind each, but for the slice's last one.
  bool may_skip_run() const { return Cabac::may_run(states_[kSkipP]); }
  int skip_run(int limit) { return cabac_.run(states_[kSkipP], limit); }
  void begin_macroblock() { cabac_.fill(); }
  bool mb_skip_flag();
  bool end_of_slice_flag() { return cabac_.terminate(); }
  bool spent() const { return cabac_.spent(); }

  // Macroblock layer (7.3.5). mb_type is numbered as in CAVLC, for the slice's type.
  int mb_type();
  bool transform_size_8x8_flag();
  bool coded_block_pattern(bool intra);
  bool mb_qp_delta(int range, int& delta);
  // The macroblock has no mb_qp_delta.
  void no_qp_delta() { qp_changed_ = false; }

  // Macroblock prediction (7.3.5.1, 7.3.5.2).
  void intra_pred_modes(int (&codes)[16], int count);
  bool intra_chroma_pred_mode();
  int sub_mb_type();
  int ref_idx(int list, int blocks);

  // mvd_l0 and mvd_l1: of the whole macroblock; or of partitions, for which the neighbours' are
  // taken in by begin_mvds(), for each list, and the macroblock's kept by end_mvds().
  Vector whole_mvd(int list);
  void no_whole_mvd(int list) { keep_whole(list, {0, 0}); }
  void end_whole_mvds() { state_.current->flags |= Macroblock::kDifference; }
  void begin_mvds(int list);
  Vector mvd(int list, int position, int width, int height);
  void no_mvds(int list) { fill(list, block_grid::at(0, 0), 4, 4, {0, 0}); }
  void end_mvds();

  // Residual (7.3.5.3). A block of luma (plane 0) or chroma (1, 2) at x, y in 4x4 blocks, or one
  // of 8x8: adds to `sum`. False: damaged.
  void begin_residual();
  void end_residual() {}
  void no_residual() {}
  template <Block kBlock, bool kSum>
  bool residual_block(int x, int y, int plane, const std::uint16_t* scale, std::int32_t* levels,
                      std::uint64_t& sum);
  bool residual_block_8x8(int x, int y, const std::uint16_t* scale, std::int32_t* levels,
                          std::uint64_t& sum);
  // All blocks count as coded.
  void pcm();

 private:
  using Magnitudes = std::array<std::uint8_t, 2>;  // |mvd| of x and y, clipped

  // Contexts only tell magnitudes up to 32 apart.
  static Magnitudes magnitudes(Vector mvd) {
    const auto clipped = [](int component) {
      return static_cast<std::uint8_t>(std::min(std::abs(component), 255));
    };
    return {clipped(mvd.x()), clipped(mvd.y())};
  }
  // Inline, so that each bin's branches have their own history.
  [[gnu::always_inline]] bool bin(int context) {
    return cabac_.decode(states_[static_cast<std::size_t>(context)]);
  }
  int intra_mb_type(int context, bool intra_slice);
  int ref_idx_value(int list, int block);
  int mvd_component(int context, int neighbours);
  void keep_whole(int list, Magnitudes clipped);
  void fill(int list, int position, int width, int height, Magnitudes clipped);

  const SliceState& state_;
  Cabac cabac_;
  ContextStates states_;
  bool qp_changed_ = false;  // mb_qp_delta of the macroblock before was not 0
  // Of the macroblock to the left, its last column: [list][y][component].
  std::array<std::uint8_t, 16> left_mvds_{};
  // Of the macroblock at hand and its neighbours.
  Magnitudes mvds_[2][block_grid::kSize];
};

inline CabacSyntax::CabacSyntax(const SliceState& state)
    : state_(state),
      cabac_(state.slice.data, state.slice.size, (state.slice.header->data + 7) / 8) {
  initialise(states_, state.slice.header->cabac_init, state.qp);
}

// 9.3.3.1.1.1
inline bool CabacSyntax::mb_skip_flag() {
  const int increment = ((state_.left->flags & Macroblock::kSkip) == 0) +
                        ((state_.above->flags & Macroblock::kSkip) == 0);
  return bin((state_.b_slice ? kSkipB : kSkipP) + increment);
}

// Binarization: 9.3.2.5; contexts: 9.3.3.1.1.3 and 9.3.3.1.2.
inline int CabacSyntax::mb_type() {
  switch (state_.slice.header->type) {
    case SliceType::kP:
      if (bin(kTypeP)) return kIntraFromP + intra_mb_type(kTypePIntra, false);
      if (!bin(kTypeP + 1)) return bin(kTypeP + 2) ? 3 : 0;
      return bin(kTypeP + 3) ? 1 : 2;
    case SliceType::kB: {
      const int increment = ((state_.left->flags & Macroblock::kDirect) == 0) +
                            ((state_.above->flags & Macroblock::kDirect) == 0);
      if (!bin(kTypeB + increment)) return kBDirect16x16;
      if (!bin(kTypeB + 3)) return 1 + bin(kTypeB + 5);
      int code = bin(kTypeB + 4);
      for (int bit = 0; bit < 3; ++bit) code = code << 1 | bin(kTypeB + 5);
      if (code < 8) return 3 + code;
      if (code == 13) return kIntraFromB + intra_mb_type(kTypeBIntra, false);
      if (code == 14) return 11;
      if (code == 15) return 22;
      return (code << 1 | bin(kTypeB + 5)) - 4;
    }
    default: return intra_mb_type(kTypeI, true);
  }
}

inline int CabacSyntax::intra_mb_type(int context, bool intra_slice) {
  if (intra_slice) {
    const int increment = ((state_.left->flags & Macroblock::kIntraNxN) == 0) +
                          ((state_.above->flags & Macroblock::kIntraNxN) == 0);
    if (!bin(context + increment)) return kIntraNxN;
    context += 2;
  } else if (!bin(context)) {
    return kIntraNxN;
  }
  // In P and B slices the bins behind share contexts where I slices have two.
  const int own = intra_slice ? 1 : 0;
  if (cabac_.terminate()) return kIntraPcm;
  int type = 1 + 12 * bin(context + 1);
  if (bin(context + 2)) type += 4 + 4 * bin(context + 2 + own);
  type += 2 * bin(context + 3 + own);
  type += bin(context + 3 + 2 * own);
  return type;
}

// 9.3.2.5
inline int CabacSyntax::sub_mb_type() {
  if (!state_.b_slice) {
    if (bin(kSubTypeP)) return 0;
    if (!bin(kSubTypeP + 1)) return 1;
    return bin(kSubTypeP + 2) ? 2 : 3;
  }
  if (!bin(kSubTypeB)) return 0;
  if (!bin(kSubTypeB + 1)) return 1 + bin(kSubTypeB + 3);
  int type = 3;
  if (bin(kSubTypeB + 2)) {
    if (bin(kSubTypeB + 3)) return 11 + bin(kSubTypeB + 3);
    type += 4;
  }
  type += 2 * bin(kSubTypeB + 3);
  return type + bin(kSubTypeB + 3);
}

// 9.3.3.1.1.10
inline bool CabacSyntax::transform_size_8x8_flag() {
  const int increment = ((state_.left->flags & Macroblock::kTransform8x8) != 0) +
                        ((state_.above->flags & Macroblock::kTransform8x8) != 0);
  return bin(kTransform8x8 + increment);
}

// 9.3.2.6 and 9.3.3.1.1.4
inline bool CabacSyntax::coded_block_pattern(bool) {
  const int left = state_.left->pattern, above = state_.above->pattern;
  int pattern = 0;
  const auto luma = [this](int a, int b) {
    return static_cast<int>(bin(kCbpLuma + (a == 0) + 2 * (b == 0)));
  };
  pattern |= luma(left & 2, above & 4);
  pattern |= luma(pattern & 1, above & 8) << 1;
  pattern |= luma(left & 8, pattern & 1) << 2;
  pattern |= luma(pattern & 4, pattern & 2) << 3;
  if (state_.has_chroma && bin(kCbpChroma + (left >> 4 != 0) + 2 * (above >> 4 != 0)))
    pattern |= bin(kCbpChroma + 4 + (left >> 4 == 2) + 2 * (above >> 4 == 2)) ? 32 : 16;
  state_.current->pattern = static_cast<std::uint8_t>(pattern);
  return true;
}

// 9.3.2.7 and 9.3.3.1.1.5
inline bool CabacSyntax::mb_qp_delta(int range, int& delta) {
  delta = 0;
  if (bin(kQpDelta + qp_changed_)) {
    int code = 1;
    int context = kQpDelta + 2;
    while (bin(context)) {
      context = kQpDelta + 3;
      if (++code > 2 * range) return false;
    }
    delta = code & 1 ? (code + 1) / 2 : -(code / 2);
  }
  qp_changed_ = delta != 0;
  return true;
}

// prev_intra4x4_pred_mode_flag or 8x8, and rem_intra4x4_pred_mode or 8x8; -1: as predicted.
inline void CabacSyntax::intra_pred_modes(int (&codes)[16], int count) {
  Cabac cabac = cabac_;
  for (int mode = 0; mode < count; ++mode) {
    int code = -1;
    if (!cabac.decode(states_[kPrevIntraLuma])) {
      code = 0;
      for (int bit = 0; bit < 3; ++bit) code |= cabac.decode_even(states_[kRemIntraLuma]) << bit;
    }
    codes[mode] = code;
  }
  cabac_ = cabac;
}

// 9.3.3.1.1.8
inline bool CabacSyntax::intra_chroma_pred_mode() {
  const int increment = ((state_.left->flags & Macroblock::kChromaMode) != 0) +
                        ((state_.above->flags & Macroblock::kChromaMode) != 0);
  if (bin(kIntraChroma + increment)) {
    state_.current->flags |= Macroblock::kChromaMode;
    if (bin(kIntraChroma + 3)) bin(kIntraChroma + 3);
  }
  return true;
}

// ref_idx of a partition, which the 8x8 blocks whose bits are set in `blocks` belong to, where more
// than one is active. -1: damaged.
inline int CabacSyntax::ref_idx(int list, int blocks) {
  const int reference = ref_idx_value(list, __builtin_ctz(static_cast<unsigned>(blocks)));
  if (reference < 0 || reference >= state_.slice.header->references[list]) return -1;
  // What is read next takes its context from this.
  if (reference > 0)
    state_.current->positive_reference |= static_cast<std::uint8_t>(blocks << (4 * list));
  return reference;
}

// 9.3.3.1.1.6
inline int CabacSyntax::ref_idx_value(int list, int block) {
  const int mine = state_.current->positive_reference >> (4 * list);
  const int left = (block & 1) != 0 ? mine >> (block - 1)
                                    : state_.left->positive_reference >> (4 * list + block + 1);
  const int above = (block & 2) != 0 ? mine >> (block - 2)
                                     : state_.above->positive_reference >> (4 * list + block + 2);
  int increment = (left & 1) + 2 * (above & 1);
  int reference = 0;
  while (bin(kReferenceIndex + increment)) {
    if (++reference >= kMaxReferences) return -1;
    increment = (increment >> 2) + 4;
  }
  return reference;
}

// One component, in UEG3 with signedValFlag 1 and uCoff 9 (9.3.2.3). `neighbours`: absMvdComp, the
// sum of the neighbours' magnitudes (9.3.3.1.1.7).
inline int CabacSyntax::mvd_component(int context, int neighbours) {
  ContextVariable* const states = states_.data() + context;
  Cabac cabac = cabac_;
  int magnitude = 0;
  if (cabac.decode(states[neighbours < 3 ? 0 : neighbours > 32 ? 2 : 1])) {
    magnitude = 1;
    int at = 3;
    while (magnitude < 9 && cabac.decode(states[at])) {
      if (at < 6) ++at;
      ++magnitude;
    }
    if (magnitude == 9) {
      int bits = 3;
      // A conforming vector never has more; the slice will not end where it should.
      while (bits < 20 && cabac.bypass()) magnitude += 1 << bits++;
      magnitude += static_cast<int>(cabac.bypass(bits));
    }
    // Without a branch, since none would predict a sign.
    const int sign = -static_cast<int>(cabac.bypass());
    magnitude = (magnitude ^ sign) - sign;
  }
  cabac_ = cabac;
  return magnitude;
}

inline Vector CabacSyntax::whole_mvd(int list) {
  const auto& above_mvds = state_.canvas.mvds[static_cast<std::size_t>(state_.x)];
  const int left = (state_.left->flags & Macroblock::kDifference) != 0 ? -1 : 0;
  const int above = (state_.above->flags & Macroblock::kDifference) != 0 ? -1 : 0;
  const auto at = static_cast<std::size_t>(8 * list);
  const int sum_x = (left_mvds_[at] & left) + (above_mvds[at] & above);
  const int sum_y = (left_mvds_[at + 1] & left) + (above_mvds[at + 1] & above);
  const int x = mvd_component(kMvdX, sum_x);
  const int y = mvd_component(kMvdY, sum_y);
  const Vector mvd(x, y);
  keep_whole(list, magnitudes(mvd));
  return mvd;
}

inline void CabacSyntax::keep_whole(int list, Magnitudes clipped) {
  auto& lowest = state_.canvas.mvds[static_cast<std::size_t>(state_.x)];
  const auto first = static_cast<std::size_t>(8 * list);
  for (std::size_t at = first; at < first + 8; at += 2) {
    std::memcpy(&lowest[at], clipped.data(), 2);
    std::memcpy(&left_mvds_[at], clipped.data(), 2);
  }
}

inline void CabacSyntax::begin_mvds(int list) {
  const bool left = (state_.left->flags & Macroblock::kDifference) != 0;
  const bool above = (state_.above->flags & Macroblock::kDifference) != 0;
  const auto& above_mvds = state_.canvas.mvds[static_cast<std::size_t>(state_.x)];
  auto& grid = mvds_[list];
  for (int at = 0; at < 4; ++at) {
    const auto from = static_cast<std::size_t>(8 * list + 2 * at);
    auto& to_above = grid[block_grid::at(at, -1)];
    to_above = {0, 0};
    if (above) to_above = {above_mvds[from], above_mvds[from + 1]};
    auto& to_left = grid[block_grid::at(-1, at)];
    to_left = {0, 0};
    if (left) to_left = {left_mvds_[from], left_mvds_[from + 1]};
    std::memset(&grid[block_grid::at(0, at)], 0, 8);
  }
}

inline Vector CabacSyntax::mvd(int list, int position, int width, int height) {
  const Magnitudes& left = mvds_[list][position - 1];
  const Magnitudes& above = mvds_[list][position - block_grid::kStride];
  const int x = mvd_component(kMvdX, left[0] + above[0]);
  const int y = mvd_component(kMvdY, left[1] + above[1]);
  const Vector mvd(x, y);
  fill(list, position, width, height, magnitudes(mvd));
  return mvd;
}

inline void CabacSyntax::fill(int list, int position, int width, int height, Magnitudes clipped) {
  for (int row = 0; row < height; ++row)
    for (int column = 0; column < width; ++column)
      mvds_[list][position + row * block_grid::kStride + column] = clipped;
}

inline void CabacSyntax::end_mvds() {
  state_.current->flags |= Macroblock::kDifference;
  auto& lowest = state_.canvas.mvds[static_cast<std::size_t>(state_.x)];
  for (int list = 0; list < (state_.b_slice ? 2 : 1); ++list) {
    for (int at = 0; at < 4; ++at) {
      const auto to = static_cast<std::size_t>(8 * list + 2 * at);
      std::memcpy(&lowest[to], &mvds_[list][block_grid::at(at, 3)], 2);
      std::memcpy(&left_mvds_[to], &mvds_[list][block_grid::at(3, at)], 2);
    }
  }
}

inline void CabacSyntax::begin_residual() {
  state_.current->coded = coded::luma_around(state_.left->coded, state_.above->coded);
  state_.current->coded_chroma =
      coded::chroma_around(state_.left->coded_chroma, state_.above->coded_chroma);
}

// coded_block_flag (9.3.3.1.1.9), and residual_block_cabac() where it is 1.
template <Block kBlock, bool kSum>
bool CabacSyntax::residual_block(int x, int y, int plane, const std::uint16_t* scale,
                                 std::int32_t* levels, std::uint64_t& sum) {
  constexpr bool kDc = kBlock == Block::kLumaDc || kBlock == Block::kChromaDc;
  constexpr bool kChroma = kBlock == Block::kChromaAc;
  std::uint32_t& flags = kDc || kChroma ? state_.current->coded_chroma : state_.current->coded;
  const int bit = kDc ? coded::dc(plane) : kChroma ? coded::chroma(plane, x, y) : coded::luma(x, y);
  int a, b;
  if constexpr (kDc) {
    a = static_cast<int>(state_.left->coded_chroma >> bit & 1);
    b = static_cast<int>(state_.above->coded_chroma >> bit & 1);
  } else {
    a = static_cast<int>(flags >> (bit - 1) & 1);
    constexpr int kStride = kChroma ? coded::kChromaStride : coded::kLumaStride;
    b = static_cast<int>(flags >> (bit - kStride) & 1);
  }
  if (!bin(block_contexts(kBlock).coded + a + 2 * b)) return true;
  flags |= 1u << bit;
  const Residual result = read_residual<kBlock, kSum>(cabac_, states_.data(), scale, levels);
  sum += result.sum;
  return !result.damaged;
}

inline bool CabacSyntax::residual_block_8x8(int x, int y, const std::uint16_t* scale,
                                            std::int32_t* levels, std::uint64_t& sum) {
  // coded_block_flag is inferred to be 1.
  state_.current->coded |= coded::kLuma8x8 << coded::luma(x, y);
  const Residual result =
      read_residual<Block::kLuma8x8, true>(cabac_, states_.data(), scale, levels);
  sum += result.sum;
  return !result.damaged;
}

inline void CabacSyntax::pcm() {
  state_.current->coded = ~0u;
  state_.current->coded_chroma = ~0u;
}

}  // namespace costream::h264
