// Picture order count (POC), reference lists and marking of reference pictures (ITU-T H.264, 8.2).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "slice_header.h"

namespace costream::h264 {

// What direct prediction takes of a block of the picture that list 1 begins with.
struct Colocated {
  std::int16_t vector[2];
  std::int16_t reference;  // reference index in its slice's list; -1 where it is intra
  std::uint16_t frame;     // Frame::id of what it points to
};

struct Frame {
  std::uint16_t id = 0;  // never 0
  int frame_num = 0;
  std::int64_t pic_num = 0;  // PicNum, of the slice at hand
  int long_term_index = -1;  // LongTermFrameIdx; -1: short-term
  std::int32_t poc = 0;
  // Inferred by a gap of frame_num: takes a place, but nothing can be predicted from it.
  bool non_existing = false;
  // False until the motion of all of its macroblocks is known.
  bool complete = false;
  // Four a macroblock, its corners (direct_8x8_inference_flag), or all sixteen row by row. Empty
  // where no B slice can follow.
  std::vector<Colocated> colocated;
  // Not 0 for macroblocks that are left out of it: theirs is `common`.
  std::vector<std::uint8_t> left_out;
  Colocated common = {};

  bool long_term() const { return long_term_index >= 0; }
};

// Reference lists of a slice. Null: missing.
struct Lists {
  std::array<const Frame*, kMaxReferences> frames[2] = {{}, {}};
  int size[2] = {0, 0};
};

// That of a block that stands still: predicted from the first entry by a zero vector.
inline Colocated still_colocated(const Lists& lists) {
  const Frame* frame = lists.frames[0][0];
  return {{0, 0}, 0, frame ? frame->id : std::uint16_t{0}};
}

class References {
 public:
  void reset();

  // A new picture: derives its POC, and frames for a gap of frame_num.
  Frame& begin(const Sps& sps, const SliceHeader& header);
  Lists lists(const Sps& sps, const SliceHeader& header);
  // The picture is complete: marks it and others.
  void end(const Sps& sps, const SliceHeader& header);

 private:
  using Held = std::unique_ptr<Frame>;

  std::int32_t derive_poc(const Sps& sps, const SliceHeader& header);
  std::int32_t derive_poc_type0(const Sps& sps, const SliceHeader& header);
  std::int32_t derive_poc_type1(const Sps& sps, const SliceHeader& header);
  std::int32_t derive_poc_type2(const SliceHeader& header);
  void fill_gap(const Sps& sps, const SliceHeader& header);
  void initialise(const Sps& sps, const SliceHeader& header, Lists& lists) const;
  void modify(const Sps& sps, const SliceHeader& header, int list, Lists& lists) const;
  void slide(const Sps& sps);
  void mark(const Sps& sps, const SliceHeader& header);
  void drop(std::size_t at);
  void drop_long_term(int index);
  Held take();
  void number(const Sps& sps, int frame_num);

  std::vector<Held> frames_;  // used for reference
  std::vector<Held> spare_;   // to be used again, for their memory
  Held current_;
  std::uint16_t last_id_ = 0;

  // Of the previous picture, or reference picture.
  int previous_frame_num_ = 0;
  int previous_reference_frame_num_ = 0;
  std::int32_t previous_offset_ = 0;  // FrameNumOffset
  std::int32_t previous_poc_msb_ = 0;
  std::int32_t previous_poc_lsb_ = 0;
  bool previous_reset_ = false;  // by memory_management_control_operation 5
  std::int32_t poc_msb_ = 0;
  std::int32_t offset_ = 0;
  std::int32_t top_poc_ = 0;
};

}  // namespace costream::h264
