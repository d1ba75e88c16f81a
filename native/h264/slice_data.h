// Slice data: macroblocks of frames, their motion and residual (ITU-T H.264, 7.3.4, 7.3.5, 8.4.1).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "../common/picture.h"
#include "../common/tracker.h"
#include "parameters.h"
#include "references.h"
#include "slice_header.h"

namespace costream::h264 {

// What neighbours need to know of a macroblock.
struct Macroblock {
  // Flags as context derivation asks for them.
  static constexpr std::uint8_t kIntra = 1;
  static constexpr std::uint8_t kIntraNxN = 2;
  static constexpr std::uint8_t kPcm = 4;
  static constexpr std::uint8_t kSkip = 8;
  static constexpr std::uint8_t kDirect = 16;  // B_Skip or B_Direct_16x16
  static constexpr std::uint8_t kTransform8x8 = 32;
  static constexpr std::uint8_t kChromaMode = 64;   // intra_chroma_pred_mode != 0
  static constexpr std::uint8_t kDifference = 128;  // has vector differences

  std::uint32_t slice = 0;  // number of its slice, never 0
  // coded_block_flag of luma blocks: bit 5 * (y + 1) + x + 1; row and column 0 are the neighbours'.
  std::uint32_t coded = 0;
  // Of chroma: Cb AC from bit 0, Cr AC from bit 9, 3 * (y + 1) + x + 1; DC of luma, Cb, Cr from 18.
  std::uint32_t coded_chroma = 0;
  std::uint8_t flags = 0;
  std::uint8_t pattern = 0;             // luma in bits 0 to 3, chroma above
  std::uint8_t positive_reference = 0;  // bit 4 * list + block: ref_idx > 0, not by direct mode
  // Stands still: predicted by ref_idx 0 and zero vectors, from both lists in a B slice.
  bool still = false;
  std::int8_t reference[2][4] = {};  // ref_idx of its 8x8 blocks; -1: unused; -2: unavailable
};

constexpr Motion kNoMotion = {{{0, 0}, {0, 0}}, {-1, -1}};

// The picture being read, and what its slices share.
struct Canvas {
  void resize(const Sps& sps);
  // A picture of this size begins.
  void begin(Picture& target);
  // Its first slice that can be read: makes the planes, of which all macroblocks are left out.
  void fill(const Motion& motion, Mode mode);
  // All slices were read: blocks that none covers are told as such. Whether there are none.
  bool end();

  std::size_t at(int x, int y) const {
    return static_cast<std::size_t>(y + 1) * static_cast<std::size_t>(width + 1) +
           static_cast<std::size_t>(x + 1);
  }

  int width = 0, height = 0;  // macroblocks
  // With a row above and a column to the left; the column also bounds the row before to the right.
  std::vector<Macroblock> macroblocks;
  // CAVLC: total_coeff of 16 luma, 4 Cb and 4 Cr blocks.
  std::vector<std::array<std::uint8_t, 24>> totals;
  // CABAC: |mvd| of the lowest row of blocks, [list][x][component].
  std::vector<std::array<std::uint8_t, 16>> differences;
  bool filled = false;
  std::uint32_t slice = 0;  // number of the last slice
  std::uint32_t first = 0;  // number that the picture's first slice has
  std::uint32_t covered = 0;  // macroblocks of slices that were read

  Picture* picture = nullptr;
  // Set: blocks are told to it, and of the picture's planes only the motion is written.
  Tracker* tracker = nullptr;
  // Intra4x4PredMode or Intra8x8PredMode of the last column of blocks, then of the lowest row.
  std::vector<std::array<std::uint8_t, 8>> intra_modes;
  Frame* kept = nullptr;  // takes the colocated motion; null: it isn't needed
};

// Scales of coefficients by qP % 6 and position in the scan: 4x4 intra and inter, 8x8 likewise.
struct Scales {
  explicit Scales(const ScalingLists& lists);
  Scales() = default;

  std::uint16_t four[2][6][16];
  std::uint16_t eight[2][6][64];
};

struct Slice {
  const Sps* sps;
  const Pps* pps;
  const SliceHeader* header;
  const Scales* scales;
  const Lists* lists;
  // Index in Picture::references of each list's entries.
  std::array<std::int8_t, kMaxReferences> told[2];
  std::int32_t order;  // of the picture
  // Payload of the NAL unit, followed by kPadding zero bytes, and the bit where it stops.
  const std::uint8_t* data;
  std::size_t size;
  std::size_t stop;

  static constexpr std::size_t kPadding = 16;
};

// Reads a slice into the canvas. False: damaged; what it wrote has been taken back.
bool read_slice(const Slice& slice, Canvas& canvas);

}  // namespace costream::h264
