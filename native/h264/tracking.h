// What the tracker is reported of a macroblock: the mean luma of its 4x4 blocks, of prediction and
// of residual (ITU-T H.264, 8.3, 8.4.2 and 8.5). Nothing is reconstructed.
#pragma once

#include <algorithm>
#include <cstdint>

#include "slice_state.h"

namespace costream::h264 {

// Takes a macroblock's levels and intra modes as they are read, and reports the macroblock when it
// ends. Without a tracker it asks for nothing and does nothing.
class MacroblockTracking {
 public:
  explicit MacroblockTracking(const SliceState& state);

  bool active() const { return state_.tracker != nullptr; }
  // Whether macroblocks that stand still need no report: nothing weighs what they are predicted by.
  bool ignores_still() const { return !active() || plain_; }

  // A macroblock begins that may have a residual.
  void begin() {
    if (active()) std::fill_n(means_, 16, 0.0f);
  }
  // The levels of the block that is read next, by position in the scan, which take() and discard()
  // leave at 0 again; null: they aren't needed.
  std::int32_t* levels() { return active() ? levels_ : nullptr; }

  // mb_type as in I slices.
  void take_intra_type(int type) { intra_type_ = type; }
  // Modes as coded, of `count` blocks in coding order: rem_intra4x4_pred_mode or
  // rem_intra8x8_pred_mode, -1 as predicted.
  void take_intra_modes(const int (&codes)[16], int count);
  // Levels of a 4x4 block (by row), of an 8x8 block (in coding order), of Intra16x16's DC; `scale`
  // by position in the scan.
  void take_4x4(int block, const std::uint16_t* scale);
  void take_8x8(int block, const std::uint16_t* scale);
  void take_dc(const std::uint16_t* scale);
  // Of a block whose mean is in another.
  void discard_4x4();

  // The macroblock ends.
  void report(Mode mode);

 private:
  void report_inter();
  void report_intra_16x16();
  void report_intra_nxn();

  const SliceState& state_;
  bool plain_ = true;             // the weights of the first references are
  int intra_type_ = 0;            // mb_type as in I slices
  std::uint8_t modes_[16] = {};   // of Intra4x4 and Intra8x8 by 4x4 block, row by row
  float means_[16] = {};          // of the residual of its 4x4 blocks, row by row
  std::int32_t levels_[64] = {};  // of the residual block at hand, by position in the scan
};

}  // namespace costream::h264
