// What the parts of a slice's reader share.
#pragma once

#include <cstddef>
#include <cstdint>

#include "../common/picture.h"
#include "canvas.h"
#include "macroblock.h"
#include "slice_data.h"

namespace costream::h264 {

// The slice, the macroblock that is being read and those around it.
struct SliceState {
  SliceState(const Slice& read_slice, Canvas& read_canvas)
      : slice(read_slice),
        canvas(read_canvas),
        picture(*read_canvas.picture),
        kept(read_canvas.kept),
        tracker(read_canvas.tracker),
        number(++read_canvas.slice),
        columns(4 * read_canvas.width),
        b_slice(read_slice.header->type == SliceType::kB),
        has_chroma(read_slice.sps->chroma_format != 0),
        qp(read_slice.header->qp) {}

  // The macroblock at `at`, behind the one at hand, becomes the current one. False: another slice
  // has it already.
  bool enter(std::uint32_t at);

  // qP of luma's transform blocks: QP'_Y (7-38).
  int luma_qp() const { return qp + slice.sps->qp_offset(); }

  const Slice& slice;
  Canvas& canvas;
  Picture& picture;
  Frame* const kept;
  Tracker* const tracker;
  const std::uint32_t number;    // of the slice
  const std::ptrdiff_t columns;  // of 4x4 blocks
  const bool b_slice;
  const bool has_chroma;
  int qp;  // QP_Y, of the macroblock before until mb_qp_delta is read

  std::uint32_t address = 0;  // CurrMbAddr
  int x = 0, y = 0;
  Macroblock* current = nullptr;
  // mbAddrA, B, C and D (6.4.9), or stand-ins where they are not available.
  const Macroblock* left = nullptr;
  const Macroblock* above = nullptr;
  const Macroblock* above_right = nullptr;
  const Macroblock* above_left = nullptr;
  std::ptrdiff_t corner = 0;  // its first 4x4 block in the picture
};

inline bool SliceState::enter(std::uint32_t at) {
  if (current && x + 1 < canvas.width) {
    ++x;
    ++current;
  } else {
    x = static_cast<int>(at % static_cast<std::uint32_t>(canvas.width));
    y = static_cast<int>(at / static_cast<std::uint32_t>(canvas.width));
    current = &canvas.macroblocks[canvas.at(x, y)];
  }
  address = at;
  if (current->slice >= canvas.first) return false;
  const std::ptrdiff_t stride = canvas.width + 1;
  const auto within = [this](const Macroblock* macroblock) {
    return macroblock->slice == number ? macroblock : &kOutsideInter;
  };
  left = within(current - 1);
  above = within(current - stride);
  above_right = within(current - stride + 1);
  above_left = within(current - stride - 1);
  corner = 4 * y * columns + 4 * x;
  current->slice = number;
  current->flags = 0;
  current->pattern = 0;
  current->positive_reference = 0;
  current->still = false;
  current->coded = 0;
  current->coded_chroma = 0;
  return true;
}

}  // namespace costream::h264
