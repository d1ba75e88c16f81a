// The picture that is read, and what its slices share.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../common/picture.h"
#include "../common/tracker.h"
#include "macroblock.h"
#include "parameters.h"
#include "references.h"

namespace costream::h264 {

struct Canvas {
  void resize(const Sps& sps);
  // A picture of this size begins.
  void begin(Picture& target);
  // Its first slice that can be read: makes the planes, of which all macroblocks are left out.
  void fill(const Motion& motion, Mode mode);
  // All slices were read: blocks that none covers become kNotCoded. Returns whether there are none.
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
  std::vector<std::array<std::uint8_t, 16>> mvds;
  bool filled = false;
  std::uint32_t slice = 0;    // number of the last slice
  std::uint32_t first = 0;    // number that the picture's first slice has
  std::uint32_t covered = 0;  // macroblocks of slices that were read
  std::uint32_t reached = 0;  // the address behind the last one of them
  // By address: whether the macroblock is not skipped, as the slice at hand has it.
  std::vector<std::uint8_t> is_coded;

  Picture* picture = nullptr;
  // Set: blocks are reported to it, and of the picture's planes only the motion is written.
  Tracker* tracker = nullptr;
  // Intra4x4PredMode or Intra8x8PredMode of the last column of blocks, then of the lowest row.
  std::vector<std::array<std::uint8_t, 8>> intra_modes;
  Frame* kept = nullptr;  // takes the colocated motion; null: it isn't needed
};

}  // namespace costream::h264
