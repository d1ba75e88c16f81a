// What the fuzzers' entries of both readers do with a tracker.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <utility>
#include <vector>

#include "../common/tracker.h"

namespace costream::fuzz {

// A tracker that begins again, with a picture of edges and slopes, where it has failed.
class Tracked {
 public:
  // Sizes that cost a run too much, or aren't any, are replaced.
  Tracked(int width, int height)
      : width_(0 < width && width <= kLargest ? width : 64),
        height_(0 < height && height <= kLargest ? height : 64),
        luma_(static_cast<std::size_t>(width_) * static_cast<std::size_t>(height_)) {
    for (std::size_t at = 0; at < luma_.size(); ++at)
      luma_[at] = static_cast<std::uint8_t>((at * at / 7) ^ (at >> 5));
  }

  template <typename Reader>
  void track(Reader& reader, const std::uint8_t* packet, std::size_t size) {
    if (tracker_.failed()) {
      tracker_.see(luma_.data(), width_, width_, height_, 5, 4);
      tracker_.start(luma_.data(), width_, width_, height_);
    }
    reader.track(packet, size, tracker_);
    if (!(tracker_.worst() >= 0)) std::abort();
    if (tracker_.failed()) return;
    const float change = tracker_.change(luma_.data(), width_, width_, height_);
    if (!std::isfinite(change) || !std::isfinite(tracker_.difference())) std::abort();
    for (const float delta : tracker_.deltas())
      if (!(std::abs(delta) <= 256)) std::abort();
    if (++packets_ % 8 == 0) tracker_.carry();
    if (packets_ % 12 == 0) tracker_.restart(luma_.data(), width_, width_, height_);
  }

 private:
  static constexpr int kLargest = 1 << 11;
  int width_, height_;
  std::vector<std::uint8_t> luma_;
  Tracker tracker_;
  int packets_ = 0;
};

// The NAL units of an Annex B stream, each with a start code before it.
inline std::vector<std::pair<const std::uint8_t*, std::size_t>> units(const std::uint8_t* data,
                                                                      std::size_t size) {
  std::vector<std::pair<const std::uint8_t*, std::size_t>> found;
  std::size_t start = size;
  for (std::size_t at = 0; at + 3 <= size; ++at) {
    if (data[at] != 0 || data[at + 1] != 0 || data[at + 2] != 1) continue;
    if (start < at) found.emplace_back(data + start, at - start);
    start = at;
  }
  if (start < size) found.emplace_back(data + start, size - start);
  return found;
}

}  // namespace costream::fuzz
