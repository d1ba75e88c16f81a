// Motion vectors and reference indices (ITU-T H.264, 8.4.1): predicted, and stored for what comes
// after. Direct prediction is in direct.h.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "slice_state.h"
#include "vector.h"

namespace costream::h264 {

// refIdxLX and mvLX of a neighbouring partition (8.4.1.3.2).
struct Neighbour {
  int reference;
  Vector vector;

  bool stands() const { return reference == 0 && vector == kZero; }
};

inline int median(int a, int b, int c) {
  return std::max(std::min(a, b), std::min(std::max(a, b), c));
}

// Median luma motion vector prediction (8.4.1.3.1) for `reference`, from the blocks to the left
// (A), above (B) and above to the right (C).
inline Vector predict_median(const Neighbour& a, const Neighbour& b, const Neighbour& c,
                             int reference) {
  const int matches =
      (a.reference == reference) + (b.reference == reference) + (c.reference == reference);
  if (matches == 1) {
    if (a.reference == reference) return a.vector;
    return b.reference == reference ? b.vector : c.vector;
  }
  if (b.reference == kUnavailable && c.reference == kUnavailable && a.reference != kUnavailable)
    return a.vector;
  return {median(a.vector.x(), b.vector.x(), c.vector.x()),
          median(a.vector.y(), b.vector.y(), c.vector.y())};
}

// Motion of a macroblock that direct prediction derives.
struct DirectMotion {
  bool uniform;          // one for all blocks: only the first ones are set
  int reference[2][4];   // by 8x8 block
  Vector vector[2][16];  // by 4x4 block, row by row

  void expand() {
    if (!uniform) return;
    for (int list = 0; list < 2; ++list) {
      std::fill_n(reference[list] + 1, 3, reference[list][0]);
      std::fill_n(vector[list] + 1, 15, vector[list][0]);
    }
    uniform = false;
  }
};

// A motion that is stored to four blocks in a row: most of what a skipped macroblock costs.
class MotionPattern {
 public:
  MotionPattern(const Vector (&vectors)[2], const std::int8_t (&picture_reference)[2])
      : vectors_(vectors[0].both() | std::uint64_t{vectors[1].both()} << 32),
        references_(static_cast<std::uint8_t>(picture_reference[0]) |
                    static_cast<std::uint64_t>(static_cast<std::uint8_t>(picture_reference[1]))
                        << 8) {}
  explicit MotionPattern(const Motion& motion)
      : MotionPattern({Vector(motion.vector[0]), Vector(motion.vector[1])},
                      {motion.reference[0], motion.reference[1]}) {}

  bool operator==(const MotionPattern& other) const {
    return vectors_ == other.vectors_ && references_ == other.references_;
  }

  void store(Motion* to) const {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    // Four blocks are five words.
    static_assert(sizeof(Motion) == 10);
    const std::uint64_t words[5] = {
        vectors_, references_ | vectors_ << 16, vectors_ >> 48 | references_ << 16 | vectors_ << 32,
        vectors_ >> 32 | references_ << 32 | vectors_ << 48, vectors_ >> 16 | references_ << 48};
    auto* bytes = reinterpret_cast<unsigned char*>(to);
    for (int word = 0; word < 5; ++word) std::memcpy(bytes + 8 * word, &words[word], 8);
#else
    const auto half = [this](int at) { return static_cast<std::int16_t>(vectors_ >> (16 * at)); };
    const Motion motion = {
        {{half(0), half(1)}, {half(2), half(3)}},
        {static_cast<std::int8_t>(references_ & 0xFF), static_cast<std::int8_t>(references_ >> 8)}};
    std::fill_n(to, 4, motion);
#endif
  }

 private:
  std::uint64_t vectors_;
  std::uint64_t references_;
};

// The motion of the macroblock at hand. One that is alike in all blocks is stored as it is; others
// are put together in a grid, list by list, with that of the neighbours around.
class MacroblockMotion {
 public:
  explicit MacroblockMotion(const SliceState& state);

  // Whether Macroblock::still means just what the picture and the frame leave out.
  bool fills_still() const { return fills_still_; }

  // A, B and C (or D in its place) of the whole macroblock (8.4.1.3.2).
  void neighbours(int list, Neighbour (&abc)[3]) const;
  // mvL0 of P_Skip (8.4.1.1), where neither A nor B is outside.
  Vector skip_vector() const;

  // The grid: begin() takes the neighbours of a list, leave_out() says that nothing in the
  // macroblock is predicted from it.
  void begin(int list);
  void leave_out(int list) {
    fill(list, block_grid::at(0, 0), 4, 4, kUnused, kZero);
  }
  void fill(int list, int position, int width, int height, int reference, Vector vector);
  // mvpLX of a partition at `position`, `width` 4x4 blocks wide (8.4.1.3).
  Vector predict(int list, int position, int width, int reference) const;
  // Likewise of the first or second half of a macroblock: 8x16 (kAcross) or 16x8.
  template <bool kAcross>
  Vector predict_half(int list, int part, int reference) const;

  // Stores the macroblock's motion: the grid's, one for all of it, that of direct prediction, none;
  // or that of a macroblock that stands still like its neighbours, which the picture leaves out.
  void store_grid();
  void store_uniform(const int (&references)[2], const Vector (&vectors)[2]);
  void store_direct(const DirectMotion& motion);
  void store_intra();
  void store_still();
  // Writes the motion that the picture leaves out.
  void fill_common() { fill_picture(common_); }

 private:
  Neighbour outer(const Macroblock& macroblock, int list, int block, std::ptrdiff_t offset) const;
  Neighbour at(int list, int position) const {
    return {reference_[list][position], vector_[list][position]};
  }
  Neighbour third(int list, int position, int width) const;
  void fill_picture(const MotionPattern& pattern);
  void fill_colocated(const Colocated& colocated);
  void keep_colocated(int to, int position);

  const SliceState& state_;
  const MotionPattern common_;  // of the macroblocks that the picture leaves out
  bool fills_still_;

  // The grid, laid out as block_grid says.
  std::int8_t reference_[2][block_grid::kSize];
  Vector vector_[2][block_grid::kSize];
};

inline MacroblockMotion::MacroblockMotion(const SliceState& state)
    : state_(state), common_(state.picture.common_motion) {
  const auto& first = state.slice.picture_reference;
  const MotionPattern still({kZero, kZero}, {first[0][0], first[1][0]});
  fills_still_ =
      still == common_ && state.slice.header->type != SliceType::kI &&
      (!state.kept || state.kept->common.frame == still_colocated(*state.slice.lists).frame);
}

// A block of a neighbouring macroblock: its ref_idx from `block` (8x8), its vector from the 4x4
// block at `offset` from the current macroblock's first one.
inline Neighbour MacroblockMotion::outer(const Macroblock& macroblock, int list, int block,
                                         std::ptrdiff_t offset) const {
  const int reference = macroblock.reference[list][block];
  if (reference < 0 || macroblock.still) return {reference, kZero};
  const Motion& motion = state_.picture.motion[static_cast<std::size_t>(state_.corner + offset)];
  return {reference, Vector(motion.vector[list])};
}

inline void MacroblockMotion::neighbours(int list, Neighbour (&abc)[3]) const {
  const std::ptrdiff_t columns = state_.columns;
  abc[0] = outer(*state_.left, list, 1, -1);
  abc[1] = outer(*state_.above, list, 2, -columns);
  abc[2] = outer(*state_.above_right, list, 2, -columns + 4);
  if (abc[2].reference == kUnavailable) abc[2] = outer(*state_.above_left, list, 3, -columns - 1);
}

inline Vector MacroblockMotion::skip_vector() const {
  Neighbour abc[3];
  neighbours(0, abc);
  if (abc[0].stands() || abc[1].stands()) return kZero;
  return predict_median(abc[0], abc[1], abc[2], 0);
}

inline void MacroblockMotion::begin(int list) {
  const std::ptrdiff_t columns = state_.columns;
  const auto load = [&](int position, const Macroblock& macroblock, int block,
                        std::ptrdiff_t offset) {
    const Neighbour neighbour = outer(macroblock, list, block, offset);
    reference_[list][position] = static_cast<std::int8_t>(neighbour.reference);
    vector_[list][position] = neighbour.vector;
  };
  load(block_grid::at(-1, -1), *state_.above_left, 3, -columns - 1);
#pragma GCC unroll 4
  for (int x = 0; x < 4; ++x) load(block_grid::at(x, -1), *state_.above, 2 + x / 2, -columns + x);
  load(block_grid::at(4, -1), *state_.above_right, 2, -columns + 4);
#pragma GCC unroll 4
  for (int y = 0; y < 4; ++y) {
    load(block_grid::at(-1, y), *state_.left, 1 + (y & 2), y * columns - 1);
    // Not decoded yet, or never before this macroblock.
    std::memset(&reference_[list][block_grid::at(0, y)], kUnavailable, 5);
  }
}

inline void MacroblockMotion::fill(int list, int position, int width, int height, int reference,
                                   Vector vector) {
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      reference_[list][position + y * block_grid::kStride + x] =
          static_cast<std::int8_t>(reference);
      vector_[list][position + y * block_grid::kStride + x] = vector;
    }
  }
}

// C of a partition, or D in its place.
inline Neighbour MacroblockMotion::third(int list, int position, int width) const {
  const int above = position - block_grid::kStride;
  const bool available = reference_[list][above + width] != kUnavailable;
  return at(list, available ? above + width : above - 1);
}

inline Vector MacroblockMotion::predict(int list, int position, int width, int reference) const {
  return predict_median(at(list, position - 1), at(list, position - block_grid::kStride),
                        third(list, position, width), reference);
}

// Each half prefers one neighbour (directional prediction, 8.4.1.3).
template <bool kAcross>
Vector MacroblockMotion::predict_half(int list, int part, int reference) const {
  constexpr int kWidth = kAcross ? 2 : 4;
  const int position = kAcross ? block_grid::at(2 * part, 0) : block_grid::at(0, 2 * part);
  const Neighbour preferred =
      kAcross == (part == 0) ? at(list, position - 1)
      : kAcross              ? third(list, position, kWidth)
                             : at(list, position - (part == 0 ? block_grid::kStride : 1));
  return preferred.reference == reference ? preferred.vector
                                          : predict(list, position, kWidth, reference);
}

inline void MacroblockMotion::fill_picture(const MotionPattern& pattern) {
  Motion* to = state_.picture.motion.data() + state_.corner;
#pragma GCC unroll 4
  for (int row = 0; row < 4; ++row, to += state_.columns) pattern.store(to);
}

inline void MacroblockMotion::fill_colocated(const Colocated& colocated) {
  const std::size_t blocks = state_.slice.sps->direct_8x8_inference ? 4 : 16;
  state_.kept->left_out[state_.address] = 0;
  std::fill_n(state_.kept->colocated.data() + state_.address * blocks, blocks, colocated);
}

// The grid's block at `position` becomes entry `to` of the colocated ones.
inline void MacroblockMotion::keep_colocated(int to, int position) {
  const int list = reference_[0][position] < 0 ? 1 : 0;
  const int reference = reference_[list][position];
  const Frame* frame = reference < 0 ? nullptr
                                     : state_.slice.lists
                                           ->frames[list][static_cast<std::size_t>(reference)];
  Colocated& kept = state_.kept->colocated[static_cast<std::size_t>(to)];
  vector_[list][position].store(kept.vector);
  kept.reference = static_cast<std::int16_t>(reference);
  kept.frame = frame ? frame->id : std::uint16_t{0};
}

inline void MacroblockMotion::store_uniform(const int (&references)[2],
                                            const Vector (&vectors)[2]) {
  Macroblock& current = *state_.current;
  std::int8_t picture_reference[2];
  for (std::size_t list = 0; list < 2; ++list) {
    const int reference = references[list];
    picture_reference[list] =
        reference < 0
            ? std::int8_t{-1}
            : state_.slice.picture_reference[list][static_cast<std::size_t>(reference)];
    std::memset(current.reference[list], reference, 4);
  }
  current.still = static_cast<bool>(
      fills_still_ & (references[0] == 0) & (references[1] == (state_.b_slice ? 0 : kUnused)) &
      ((vectors[0].both() | vectors[1].both()) == 0));
  if (current.still) return;
  fill_picture(MotionPattern(vectors, picture_reference));
  if (!state_.kept) return;
  const bool second = references[0] < 0;
  const Frame* frame =
      state_.slice.lists->frames[second][static_cast<std::size_t>(references[second ? 1 : 0])];
  Colocated colocated;
  vectors[second].store(colocated.vector);
  colocated.reference = static_cast<std::int16_t>(references[second]);
  colocated.frame = frame ? frame->id : std::uint16_t{0};
  fill_colocated(colocated);
}

inline void MacroblockMotion::store_grid() {
#pragma GCC unroll 4
  for (int y = 0; y < 4; ++y) {
    Motion* to = state_.picture.motion.data() + state_.corner + y * state_.columns;
#pragma GCC unroll 4
    for (int x = 0; x < 4; ++x, ++to) {
      const int position = block_grid::at(x, y);
      for (std::size_t list = 0; list < 2; ++list) {
        const int reference = reference_[list][position];
        vector_[list][position].store(to->vector[list]);
        to->reference[list] =
            reference < 0
                ? std::int8_t{-1}
                : state_.slice.picture_reference[list][static_cast<std::size_t>(reference)];
      }
    }
  }
  for (int list = 0; list < 2; ++list) {
    for (int block = 0; block < 4; ++block)
      state_.current->reference[list][block] =
          reference_[list][block_grid::at(2 * (block & 1), block & 2)];
  }
  if (!state_.kept) return;
  state_.kept->left_out[state_.address] = 0;
  const auto address = static_cast<int>(state_.address);
  if (state_.slice.sps->direct_8x8_inference) {
    for (int corner = 0; corner < 4; ++corner)
      keep_colocated(4 * address + corner, block_grid::at(3 * (corner & 1), 3 * (corner >> 1)));
  } else {
    for (int block = 0; block < 16; ++block)
      keep_colocated(16 * address + block, block_grid::at(block & 3, block >> 2));
  }
}

inline void MacroblockMotion::store_direct(const DirectMotion& motion) {
  if (motion.uniform) {
    store_uniform({motion.reference[0][0], motion.reference[1][0]},
                  {motion.vector[0][0], motion.vector[1][0]});
    return;
  }
  for (int list = 0; list < 2; ++list) {
    for (int block = 0; block < 16; ++block) {
      const int position = block_grid::at(block & 3, block >> 2);
      reference_[list][position] =
          static_cast<std::int8_t>(motion.reference[list][(block >> 3) * 2 + (block >> 1 & 1)]);
      vector_[list][position] = motion.vector[list][block];
    }
  }
  store_grid();
}

inline void MacroblockMotion::store_intra() {
  std::memset(state_.current->reference, kUnused, sizeof state_.current->reference);
  fill_picture(MotionPattern(kNoMotion));
  if (state_.kept) fill_colocated({{0, 0}, kUnused, 0});
}

inline void MacroblockMotion::store_still() {
  Macroblock& current = *state_.current;
  current.still = true;
  std::memset(current.reference[0], 0, 4);
  std::memset(current.reference[1], state_.b_slice ? 0 : kUnused, 4);
}

}  // namespace costream::h264
