// Direct prediction: B_Skip, B_Direct_16x16 and B_8x8's direct blocks (ITU-T H.264, 8.4.1.2).
#pragma once

#include "motion.h"
#include "slice_state.h"

namespace costream::h264 {

// Derives motion of the macroblock at hand in one slice.
class DirectPrediction {
 public:
  explicit DirectPrediction(const SliceState& state);

  // `motion` gives the neighbours; the result is the whole macroblock's.
  DirectMotion derive(const MacroblockMotion& motion) const;

 private:
  const Colocated& colocated(int block) const;
  void derive_spatial(const MacroblockMotion& motion, DirectMotion& direct) const;
  void derive_temporal(DirectMotion& direct) const;

  const SliceState& state_;
  const Frame* first_of_list1_ = nullptr;  // RefPicList1[0], which has colPic's motion
  bool colocated_known_ = false;
  // By refIdxL0, for temporal prediction.
  int distance_scale_[kMaxReferences];  // DistScaleFactor; 0 with long_term_: not scaled
  bool long_term_[kMaxReferences];
};

}  // namespace costream::h264
