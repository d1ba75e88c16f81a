#include "direct.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace costream::h264 {

DirectPrediction::DirectPrediction(const SliceState& state) : state_(state) {
  if (!state.b_slice) return;
  const Slice& slice = state.slice;
  first_of_list1_ = slice.lists->frames[1][0];
  const std::size_t blocks = static_cast<std::size_t>(state.canvas.width) *
                             static_cast<std::size_t>(state.canvas.height) *
                             (slice.sps->direct_8x8_inference ? 4 : 16);
  colocated_known_ =
      first_of_list1_ && first_of_list1_->complete && first_of_list1_->colocated.size() == blocks;
  if (slice.header->direct_spatial) return;
  // What temporal prediction scales vectors by (8.4.1.2.3).
  const auto distance = [](std::int32_t later, std::int32_t earlier) {
    const std::int64_t difference = std::int64_t{later} - earlier;
    return static_cast<int>(std::clamp<std::int64_t>(difference, -128, 127));
  };
  for (int index = 0; index < kMaxReferences; ++index) {
    const Frame* first = slice.lists->frames[0][static_cast<std::size_t>(index)];
    distance_scale_[index] = 0;
    long_term_[index] = true;
    if (!first || !first_of_list1_ || first->long_term()) continue;
    const int td = distance(first_of_list1_->poc, first->poc);
    if (td == 0) continue;
    const int tb = distance(slice.poc, first->poc);
    const int tx = (16384 + std::abs(td / 2)) / td;
    distance_scale_[index] = std::clamp((tb * tx + 32) >> 6, -1024, 1023);
    long_term_[index] = false;
  }
}

DirectMotion DirectPrediction::derive(const MacroblockMotion& motion) const {
  DirectMotion direct;
  if (state_.slice.header->direct_spatial)
    derive_spatial(motion, direct);
  else
    derive_temporal(direct);
  return direct;
}

// mvCol and refIdxCol (8.4.1.2.1) of the 4x4 block, row by row; with direct_8x8_inference_flag
// those of its 8x8 block's corner.
const Colocated& DirectPrediction::colocated(int block) const {
  static constexpr Colocated kNone = {{0, 0}, kUnused, 0};
  if (!colocated_known_) return kNone;
  if (first_of_list1_->left_out[state_.address] != 0) return first_of_list1_->common;
  const auto address = static_cast<std::size_t>(state_.address);
  if (state_.slice.sps->direct_8x8_inference) {
    const int corner = (block >> 3) * 2 + (block >> 1 & 1);
    return first_of_list1_->colocated[4 * address + static_cast<std::size_t>(corner)];
  }
  return first_of_list1_->colocated[16 * address + static_cast<std::size_t>(block)];
}

// 8.4.1.2.2
void DirectPrediction::derive_spatial(const MacroblockMotion& motion, DirectMotion& direct) const {
  int references[2];
  Vector vectors[2];
  for (int list = 0; list < 2; ++list) {
    Neighbour abc[3];
    motion.neighbours(list, abc);
    // The smallest that is used: as unsigned, those that aren't are greatest.
    unsigned least = static_cast<unsigned>(abc[0].reference);
    least = std::min(least, static_cast<unsigned>(abc[1].reference));
    least = std::min(least, static_cast<unsigned>(abc[2].reference));
    references[list] = std::max(static_cast<int>(least), kUnused);
    vectors[list] = kZero;
    if (references[list] >= 0)
      vectors[list] = predict_median(abc[0], abc[1], abc[2], references[list]);
  }
  const bool neither = references[0] < 0 && references[1] < 0;
  if (neither) references[0] = references[1] = 0;
  direct.uniform = true;
  for (int list = 0; list < 2; ++list) {
    direct.reference[list][0] = references[list];
    direct.vector[list][0] = vectors[list];
  }

  // colZeroFlag: a block whose colocated one stands still does so too where it refers to the
  // nearest frame.
  const bool may_stand =
      !neither && first_of_list1_ && !first_of_list1_->long_term() &&
      ((references[0] == 0 && vectors[0] != kZero) || (references[1] == 0 && vectors[1] != kZero));
  const auto stands = [this](int block) {
    const Colocated& there = colocated(block);
    return static_cast<std::uint32_t>((there.reference == 0) &
                                      (static_cast<unsigned>(there.vector[0] + 1) <= 2) &
                                      (static_cast<unsigned>(there.vector[1] + 1) <= 2));
  };
  std::uint32_t standing = 0;
  if (may_stand && state_.slice.sps->direct_8x8_inference) {
    for (const int block : {0, 2, 8, 10}) standing |= stands(block) * 0x33 << block;
  } else if (may_stand) {
    for (int block = 0; block < 16; ++block) standing |= stands(block) << block;
  }
  if (standing == 0) return;
  if (standing == 0xFFFF) {
    for (int list = 0; list < 2; ++list)
      if (references[list] == 0) direct.vector[list][0] = kZero;
    return;
  }
  direct.expand();
  for (int list = 0; list < 2; ++list) {
    if (references[list] != 0) continue;
    for (int block = 0; block < 16; ++block)
      if ((standing >> block & 1) != 0) direct.vector[list][block] = kZero;
  }
}

// 8.4.1.2.3
void DirectPrediction::derive_temporal(DirectMotion& direct) const {
  direct.uniform = false;
  const bool whole = state_.slice.sps->direct_8x8_inference;
  for (int block = 0; block < 16; ++block) {
    const bool corner = (block & 5) == 0;
    if (whole && !corner) continue;
    const Colocated& there = colocated(block);
    int reference = 0;
    Vector vectors[2] = {kZero, kZero};
    if (there.reference >= 0) {
      const int size = state_.slice.lists->size[0];
      for (int index = 0; index < size; ++index) {
        const Frame* frame = state_.slice.lists->frames[0][static_cast<std::size_t>(index)];
        if (frame && frame->id == there.frame) {
          reference = index;
          break;
        }
      }
      if (long_term_[reference]) {
        vectors[0] = Vector(there.vector);
      } else {
        const int scale = distance_scale_[reference];
        vectors[0] =
            Vector((scale * there.vector[0] + 128) >> 8, (scale * there.vector[1] + 128) >> 8);
        vectors[1] = Vector(vectors[0].x() - there.vector[0], vectors[0].y() - there.vector[1]);
      }
    }
    const int quarter = (block >> 3) * 2 + (block >> 1 & 1);
    direct.reference[0][quarter] = reference;
    direct.reference[1][quarter] = 0;
    for (int list = 0; list < 2; ++list) {
      if (whole)
        for (const int other : {0, 1, 4, 5}) direct.vector[list][block + other] = vectors[list];
      else
        direct.vector[list][block] = vectors[list];
    }
  }
}

}  // namespace costream::h264
