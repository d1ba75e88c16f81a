// Decoded pictures that others are predicted from: what is kept of them, reference picture sets
// and lists (ITU-T H.265, 8.3.2 to 8.3.4).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "parameter_sets.h"
#include "slice_header.h"

namespace costream::h265 {

// Motion of a 16x16 block of a reference picture, for temporal candidates.
struct StoredMotion {
  std::int16_t vector[2][2];
  std::int32_t poc[2];  // of what it was predicted from
  bool predicted[2];    // neither: intra or not coded
  bool long_term[2];    // at the time when it was decoded
};

// A picture in the decoded picture buffer.
struct Frame {
  std::int32_t poc = 0;
  bool long_term = false;
  int columns = 0, rows = 0;  // of motion; 0 where the picture was never there
  std::vector<StoredMotion> motion;
};

struct Reference {
  std::int32_t poc = 0;
  bool long_term = false;
  const Frame* frame = nullptr;
};

// RefPicList0 and RefPicList1 of a slice.
struct ReferenceLists {
  int count[2] = {0, 0};
  std::array<Reference, 16> entry[2];
};

class ReferenceBuffer {
 public:
  // At a picture's first slice: applies its reference picture set, removes what is no longer
  // referred to, and puts frames without motion where pictures are missing. Returns false where
  // the current picture would need one of those.
  bool update(const SliceHeader& slice, std::int32_t poc, int log2_max_poc_lsb);

  // False where the set is empty though the slice needs references.
  bool make_lists(const SliceHeader& slice, ReferenceLists& lists) const;

  std::unique_ptr<Frame> obtain();  // a frame to fill, with the memory of a removed one
  void add(std::unique_ptr<Frame> frame) { frames_.push_back(std::move(frame)); }
  void clear();

 private:
  std::vector<std::unique_ptr<Frame>> frames_, free_;
  // RefPicSetStCurrBefore, RefPicSetStCurrAfter, RefPicSetLtCurr.
  std::vector<Frame*> current_[3];
};

}  // namespace costream::h265
