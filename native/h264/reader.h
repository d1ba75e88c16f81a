// Reads motion, modes, QPs and residual energy from H.264 streams, without any pixel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "../common/picture.h"
#include "../common/tracker.h"

namespace costream {

// Frames of 4:0:0 and 4:2:0 pictures of up to 14 bits a sample, in all profiles that have them;
// anything else is named in Picture::unsupported. Never throws but for want of memory.
class H264Reader {
 public:
  H264Reader();
  ~H264Reader();
  H264Reader(H264Reader&&) noexcept;
  H264Reader& operator=(H264Reader&&) noexcept;

  // An avcC record, or parameter sets in Annex B's form; may be empty. Tells whether packets are
  // length-prefixed (avcC) or Annex B.
  void configure(const std::uint8_t* extradata, std::size_t size);
  // The pictures whose slices are in a packet (an access unit), in decoding order.
  std::vector<Picture> read(const std::uint8_t* packet, std::size_t size, std::int64_t number);
  // Reports a packet's pictures to the tracker instead, at a fraction of the time. The tracker
  // fails where one of them is an intra picture, or can't be read.
  void track(const std::uint8_t* packet, std::size_t size, Tracker& tracker);
  // What went before doesn't count any more: the next packet comes from elsewhere.
  void reset();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace costream
