// What a reader reports of one coded picture.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace costream {

// How a 4x4 block was coded.
enum class Mode : std::uint8_t {
  kNotCoded = 0,  // no slice that could be read covers it
  kSkip = 1,      // predicted from other pictures, without a vector difference or residual
  kInter = 2,     // predicted from other pictures
  kIntra = 3,     // predicted from its own picture, or PCM
};

// The motion of a 4x4 block. Vectors point from the block to what it is predicted from, in
// quarters of a luma sample, {x, y}; they mean nothing where the reference is -1.
struct Motion {
  std::int16_t vector[2][2];  // by list
  std::int8_t reference[2];   // index into Picture::references of the block's slice's list; -1
};

// Of a block that is not predicted from another picture.
inline constexpr Motion kNoMotion = {{{0, 0}, {0, 0}}, {-1, -1}};

// A vector that grows without a value to fill with leaves its new elements unset.
template <typename T>
struct UnsetAllocator : std::allocator<T> {
  UnsetAllocator() = default;
  template <typename U>
  UnsetAllocator(const UnsetAllocator<U>&) {}
  template <typename U>
  struct rebind {
    using other = UnsetAllocator<U>;
  };
  template <typename U>
  void construct(U* at) {
    ::new (static_cast<void*>(at)) U;
  }
  template <typename U, typename... Arguments>
  void construct(U* at, Arguments&&... arguments) {
    ::new (static_cast<void*>(at)) U(std::forward<Arguments>(arguments)...);
  }
};

// One entry for each 4x4 block, row by row.
template <typename T>
using Plane = std::vector<T, UnsetAllocator<T>>;

struct Picture {
  std::string type;       // "I", "P" or "B": the most general of its slices
  std::int64_t packet;    // number of the packet that it came in, counted by the caller
  std::int32_t poc;       // picture order count
  bool key = false;       // a decoder can start here (IDR, or BLA and CRA)
  bool field = false;     // one field of an interlaced frame
  bool reference = false; // other pictures may be predicted from it
  std::uint32_t bits = 0; // of its slices

  // The cropped luma picture, and the coded one's size in 4x4 blocks.
  int width = 0, height = 0;
  int crop_left = 0, crop_top = 0;  // luma samples
  int columns = 0, rows = 0;

  Plane<Motion> motion;
  Plane<Mode> mode;
  Plane<std::int8_t> qp;         // luma QP; of Main 10, below 0 where it is
  Plane<std::uint32_t> energy;   // sum of |dequantised luma coefficient|, of the transform block
                                 // spread evenly, rounded up: 0 means none was coded

  // Most of a quiet picture is alike, and filling planes with that would be most of reading it. So
  // macroblocks (16x16 samples) that have this motion and mode, and no energy, may be left out of
  // the planes until complete(). One entry each, row by row, not 0 where it is; empty: none is.
  std::vector<std::uint8_t> left_out;
  std::vector<std::int8_t> left_out_qp;
  Motion common_motion{};
  Mode common_mode = Mode::kNotCoded;
  bool completed = false;

  // Writes what was left out of the planes.
  void complete() {
    if (completed) return;
    const auto across = static_cast<std::size_t>(columns) / 4;
    for (std::size_t at = 0; at < left_out.size(); ++at)
      if (left_out[at] != 0)
        fill(at % across, at / across, common_motion, common_mode, left_out_qp[at]);
    completed = true;
  }

  // Sets a whole macroblock's blocks, without energy.
  void fill(std::size_t x, std::size_t y, const Motion& as, Mode how, std::int8_t luma_qp) {
    const auto stride = static_cast<std::size_t>(columns);
    std::size_t at = 4 * y * stride + 4 * x;
    for (int row = 0; row < 4; ++row, at += stride) {
      std::fill_n(motion.data() + at, 4, as);
      std::fill_n(mode.data() + at, 4, how);
      std::fill_n(qp.data() + at, 4, luma_qp);
      std::fill_n(energy.data() + at, 4, 0u);
    }
  }

  // Picture order counts that Motion::reference points to: all lists of all slices, one after
  // the other without doubles. Long-term references are in it like others.
  std::vector<std::int32_t> references;

  int slices = 0;             // read to their very end
  std::vector<std::string> unsupported;  // what the others needed, or "damaged"
};

}  // namespace costream
