#include "references.h"

#include <algorithm>
#include <utility>

namespace costream::h265 {

// 8.3.2 and 8.3.3.
bool ReferenceBuffer::update(const SliceHeader& slice, std::int32_t poc, int log2_max_poc_lsb) {
  for (auto& list : current_) list.clear();
  std::vector<std::unique_ptr<Frame>> kept;
  bool complete = true;

  // Takes the frame out of the buffer, or makes one without motion.
  const auto take = [&](bool needed, auto matches, std::int32_t missing_poc) {
    for (auto& frame : frames_) {
      if (frame != nullptr && matches(*frame)) {
        kept.push_back(std::move(frame));
        return kept.back().get();
      }
    }
    // Named twice by a damaged set: it's the same picture.
    for (const auto& frame : kept)
      if (matches(*frame)) return frame.get();
    complete &= !needed;
    auto frame = obtain();
    frame->poc = missing_poc;
    frame->columns = frame->rows = 0;
    frame->motion.clear();
    kept.push_back(std::move(frame));
    return kept.back().get();
  };

  // Long-term references first: a short-term one may become one, never the other way round.
  const std::int32_t mask = (1 << log2_max_poc_lsb) - 1;
  for (int i = 0; i < slice.long_term_count; ++i) {
    const LongTermReference& entry = slice.long_term[static_cast<std::size_t>(i)];
    // Modulo 2^32, as a damaged cycle may lead anywhere.
    const auto full = static_cast<std::int32_t>(
        (static_cast<std::uint32_t>(poc) & ~static_cast<std::uint32_t>(mask)) -
        (entry.msb_cycle << log2_max_poc_lsb) + static_cast<std::uint32_t>(entry.lsb));
    Frame* frame = take(
        entry.used,
        [&](const Frame& other) {
          return entry.has_msb ? other.poc == full : (other.poc & mask) == entry.lsb;
        },
        entry.has_msb ? full : entry.lsb);
    frame->long_term = true;
    if (entry.used) current_[2].push_back(frame);
  }
  const ShortTermSet& set = slice.short_term;
  for (int side = 0; side < 2; ++side) {
    const auto& entries = side == 0 ? set.before : set.after;
    for (int i = 0; i < (side == 0 ? set.negative : set.positive); ++i) {
      const ShortTermSet::Entry& entry = entries[static_cast<std::size_t>(i)];
      // Modulo 2^32, as above.
      const auto wanted = static_cast<std::int32_t>(static_cast<std::uint32_t>(poc) +
                                                    static_cast<std::uint32_t>(entry.delta));
      Frame* frame = take(
          entry.used, [&](const Frame& other) { return !other.long_term && other.poc == wanted; },
          wanted);
      if (entry.used) current_[side].push_back(frame);
    }
  }

  for (auto& frame : frames_)
    if (frame != nullptr) free_.push_back(std::move(frame));
  frames_ = std::move(kept);
  return complete;
}

// 8.3.4
bool ReferenceBuffer::make_lists(const SliceHeader& slice, ReferenceLists& lists) const {
  lists = ReferenceLists{};
  if (slice.type == SliceType::kI) return true;
  const std::size_t total = current_[0].size() + current_[1].size() + current_[2].size();
  if (total == 0 || total > 16) return false;
  for (int list = 0; list < (slice.type == SliceType::kB ? 2 : 1); ++list) {
    std::array<const Frame*, 16> candidates{};
    std::size_t count = 0;
    for (const int set : {list, 1 - list, 2})
      for (const Frame* frame : current_[set]) candidates[count++] = frame;
    lists.count[list] = slice.active[list];
    for (int i = 0; i < slice.active[list]; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const std::size_t from = slice.modified[list] ? slice.list_entry[list][at] : at;
      const Frame* frame = candidates[from % total];
      lists.entry[list][at] = {frame->poc, frame->long_term, frame};
    }
  }
  return true;
}

std::unique_ptr<Frame> ReferenceBuffer::obtain() {
  if (free_.empty()) return std::make_unique<Frame>();
  std::unique_ptr<Frame> frame = std::move(free_.back());
  free_.pop_back();
  frame->long_term = false;
  return frame;
}

void ReferenceBuffer::clear() {
  for (auto& list : current_) list.clear();
  for (auto& frame : frames_) free_.push_back(std::move(frame));
  frames_.clear();
}

}  // namespace costream::h265
