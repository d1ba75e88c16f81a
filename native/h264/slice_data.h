// Slice data (ITU-T H.264, 7.3.4).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "canvas.h"
#include "parameters.h"
#include "references.h"
#include "scales.h"
#include "slice_header.h"

namespace costream::h264 {

struct Slice {
  const Sps* sps;
  const Pps* pps;
  const SliceHeader* header;
  const Scales* scales;
  const Lists* lists;
  // Index in Picture::references of each list's entries.
  std::array<std::int8_t, kMaxReferences> picture_reference[2];
  std::int32_t poc;  // of the picture
  // Payload of the NAL unit, followed by kPadding zero bytes, and the bit where it stops.
  const std::uint8_t* data;
  std::size_t size;
  std::size_t stop;

  static constexpr std::size_t kPadding = 16;
};

// Reads a slice into the canvas. False: damaged; what it wrote has been taken back.
bool read_slice(const Slice& slice, Canvas& canvas);

}  // namespace costream::h264
