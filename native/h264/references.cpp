#include "references.h"

#include <algorithm>

namespace costream::h264 {
namespace {

// Picture order counts wrap like two's complement where a hostile stream makes them overflow.
std::int32_t add(std::int32_t left, std::int32_t right) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(left) +
                                   static_cast<std::uint32_t>(right));
}

}  // namespace

void References::reset() { *this = References(); }

References::Held References::take() {
  Held frame;
  if (spare_.empty()) {
    frame = std::make_unique<Frame>();
  } else {
    frame = std::move(spare_.back());
    spare_.pop_back();
    auto memory = std::move(frame->colocated);
    *frame = Frame();
    frame->colocated = std::move(memory);
  }
  if (++last_id_ == 0) ++last_id_;
  frame->id = last_id_;
  return frame;
}

void References::drop(std::size_t at) {
  spare_.push_back(std::move(frames_[at]));
  frames_.erase(frames_.begin() + static_cast<std::ptrdiff_t>(at));
}

void References::drop_long_term(int index) {
  for (std::size_t at = frames_.size(); at-- > 0;)
    if (frames_[at]->long_term_index == index) drop(at);
}

// PicOrderCnt of the current picture (8.2.1).
std::int32_t References::derive_poc(const Sps& sps, const SliceHeader& header) {
  if (sps.poc_type == 0) return derive_poc_type0(sps, header);
  // FrameNumOffset, (8-6) and (8-11).
  offset_ = 0;
  if (!header.idr) {
    offset_ = previous_reset_ ? 0 : previous_offset_;
    if ((previous_reset_ ? 0 : previous_frame_num_) > header.frame_num)
      offset_ = add(offset_, sps.max_frame_num());
  }
  return sps.poc_type == 1 ? derive_poc_type1(sps, header) : derive_poc_type2(header);
}

// 8.2.1.1
std::int32_t References::derive_poc_type0(const Sps& sps, const SliceHeader& header) {
  const std::int32_t previous_msb = header.idr ? 0 : previous_poc_msb_;
  const std::int32_t previous_lsb = header.idr ? 0 : previous_poc_lsb_;
  const std::int32_t range = 1 << sps.poc_lsb_bits;
  poc_msb_ = previous_msb;
  if (header.poc_lsb < previous_lsb && previous_lsb - header.poc_lsb >= range / 2)
    poc_msb_ = add(previous_msb, range);
  else if (header.poc_lsb > previous_lsb && header.poc_lsb - previous_lsb > range / 2)
    poc_msb_ = add(previous_msb, -range);
  top_poc_ = add(poc_msb_, header.poc_lsb);
  if (header.field) return top_poc_;
  return std::min(top_poc_, add(top_poc_, header.delta_poc_bottom));
}

// 8.2.1.2
std::int32_t References::derive_poc_type1(const Sps& sps, const SliceHeader& header) {
  const bool reference = header.reference_idc != 0;
  const auto cycle = static_cast<std::int32_t>(sps.offset_for_reference.size());
  std::int32_t number = cycle == 0 ? 0 : add(offset_, header.frame_num);  // absFrameNum
  if (!reference && number > 0) --number;
  std::int32_t expected = 0;  // expectedPicOrderCnt
  if (number > 0) {
    std::int32_t sum = 0;
    for (const std::int32_t delta : sps.offset_for_reference) sum = add(sum, delta);
    const auto cycles = static_cast<std::uint32_t>((number - 1) / cycle);
    expected = static_cast<std::int32_t>(cycles * static_cast<std::uint32_t>(sum));
    for (std::int32_t at = 0; at <= (number - 1) % cycle; ++at)
      expected = add(expected, sps.offset_for_reference[static_cast<std::size_t>(at)]);
  }
  if (!reference) expected = add(expected, sps.offset_for_non_reference);
  top_poc_ = add(expected, header.delta_poc[0]);
  const std::int32_t bottom = add(top_poc_, sps.offset_for_top_to_bottom);
  if (header.field) return header.bottom ? bottom : top_poc_;
  return std::min(top_poc_, add(bottom, header.delta_poc[1]));
}

// 8.2.1.3
std::int32_t References::derive_poc_type2(const SliceHeader& header) {
  top_poc_ = 0;
  if (!header.idr) {
    const std::int32_t number = add(offset_, header.frame_num);
    top_poc_ = add(add(number, number), header.reference_idc != 0 ? 0 : -1);
  }
  return top_poc_;
}

// 8.2.5.2: frames that frame_num leaps over are inferred, and push others out. Where gaps aren't
// allowed frames were lost, and the same keeps the others in their places.
void References::fill_gap(const Sps& sps, const SliceHeader& header) {
  const int range = sps.max_frame_num();
  const int missing = (header.frame_num - previous_reference_frame_num_ - 1 + range) % range;
  if (header.frame_num == previous_reference_frame_num_ || missing == 0) return;
  // More than the buffer holds only push each other out.
  const int count = std::min(missing, std::max(sps.reference_frames, 1));
  for (int step = count; step > 0; --step) {
    SliceHeader inferred;
    inferred.frame_num = (header.frame_num - step + range) % range;
    inferred.reference_idc = 1;
    Held frame = take();
    frame->frame_num = inferred.frame_num;
    frame->non_existing = true;
    frame->colocated.clear();
    if (sps.poc_type != 0) {
      frame->poc = derive_poc(sps, inferred);
      previous_offset_ = offset_;
      previous_frame_num_ = inferred.frame_num;
      previous_reset_ = false;
    }
    number(sps, inferred.frame_num);
    slide(sps);
    frames_.push_back(std::move(frame));
    previous_reference_frame_num_ = inferred.frame_num;
  }
}

Frame& References::begin(const Sps& sps, const SliceHeader& header) {
  if (current_) spare_.push_back(std::move(current_));
  if (header.idr) {
    while (!frames_.empty()) drop(frames_.size() - 1);
  } else if (last_id_ != 0) {
    // Nothing is known of what went before a stream's first picture.
    fill_gap(sps, header);
  }
  current_ = take();
  current_->frame_num = header.frame_num;
  current_->poc = derive_poc(sps, header);
  return *current_;
}

// PicNum of short-term frames: FrameNumWrap (8.2.4.1).
void References::number(const Sps& sps, int frame_num) {
  for (auto& frame : frames_) {
    if (frame->long_term()) continue;
    frame->pic_num = frame->frame_num > frame_num
                         ? static_cast<std::int64_t>(frame->frame_num) - sps.max_frame_num()
                         : frame->frame_num;
  }
}

Lists References::lists(const Sps& sps, const SliceHeader& header) {
  number(sps, header.frame_num);
  Lists result;
  initialise(sps, header, result);
  for (int list = 0; list < 2; ++list) {
    modify(sps, header, list, result);
    for (auto& frame : result.frames[list])
      if (frame && frame->non_existing) frame = nullptr;
  }
  return result;
}

// The initial lists (8.2.4.2.1 and 8.2.4.2.3), cut to their sizes.
void References::initialise(const Sps& sps, const SliceHeader& header, Lists& lists) const {
  std::vector<const Frame*> shorts;
  std::vector<const Frame*> longs;
  const bool b_slice = header.type == SliceType::kB;
  for (const auto& frame : frames_) {
    if (frame->long_term())
      longs.push_back(frame.get());
    else if (!(b_slice && frame->non_existing && sps.poc_type == 0))
      shorts.push_back(frame.get());
  }
  std::sort(longs.begin(), longs.end(), [](const Frame* left, const Frame* right) {
    return left->long_term_index < right->long_term_index;
  });

  std::vector<const Frame*> initial[2];
  if (b_slice) {
    const std::int32_t poc = current_->poc;
    for (int list = 0; list < 2; ++list) {
      const bool before_first = list == 0;
      initial[list] = shorts;
      std::sort(initial[list].begin(), initial[list].end(),
                [&](const Frame* left, const Frame* right) {
                  const bool left_before = left->poc <= poc;
                  const bool right_before = right->poc <= poc;
                  if (left_before != right_before) return left_before == before_first;
                  return left_before ? left->poc > right->poc : left->poc < right->poc;
                });
      initial[list].insert(initial[list].end(), longs.begin(), longs.end());
    }
    if (initial[1].size() > 1 && initial[0] == initial[1]) std::swap(initial[1][0], initial[1][1]);
  } else if (header.type == SliceType::kP) {
    std::sort(shorts.begin(), shorts.end(),
              [](const Frame* left, const Frame* right) { return left->pic_num > right->pic_num; });
    shorts.insert(shorts.end(), longs.begin(), longs.end());
    initial[0] = std::move(shorts);
  }
  for (int list = 0; list < 2; ++list) {
    lists.size[list] = header.references[list];
    const auto size = static_cast<std::size_t>(header.references[list]);
    std::copy_n(initial[list].begin(), std::min(size, initial[list].size()),
                lists.frames[list].begin());
  }
}

// ref_pic_list_modification() (8.2.4.3).
void References::modify(const Sps& sps, const SliceHeader& header, int list, Lists& lists) const {
  auto& frames = lists.frames[list];
  const auto size = static_cast<std::size_t>(lists.size[list]);
  const std::int64_t range = sps.max_frame_num();
  std::int64_t predicted = header.frame_num;  // picNumLXNoWrap
  std::size_t at = 0;                         // refIdxLX
  for (const auto& modification : header.modifications[list]) {
    if (at >= size) break;
    const bool long_term = modification.kind == 2;
    std::int64_t wanted = modification.value;
    if (!long_term) {
      const std::int64_t difference = (static_cast<std::int64_t>(modification.value) + 1) % range;
      predicted += modification.kind == 0 ? -difference : difference;
      if (predicted < 0) predicted += range;
      if (predicted >= range) predicted -= range;
      wanted = predicted > header.frame_num ? predicted - range : predicted;
    }
    const Frame* found = nullptr;
    for (const auto& frame : frames_) {
      if (frame->long_term() != long_term) continue;
      if ((long_term ? frame->long_term_index : frame->pic_num) == wanted) found = frame.get();
    }
    // Puts it here and moves the others on, up to where it was.
    const Frame* moved = found;
    for (std::size_t place = at; place < size; ++place) {
      std::swap(moved, frames[place]);
      if (found && moved == found) break;
    }
    ++at;
  }
}

// Sliding window marking (8.2.5.3).
void References::slide(const Sps& sps) {
  while (frames_.size() >= static_cast<std::size_t>(std::max(sps.reference_frames, 1))) {
    std::size_t oldest = frames_.size();
    for (std::size_t at = 0; at < frames_.size(); ++at) {
      if (frames_[at]->long_term()) continue;
      if (oldest == frames_.size() || frames_[at]->pic_num < frames_[oldest]->pic_num) oldest = at;
    }
    // Only long-term frames: the stream is wrong, but has to be kept within bounds.
    drop(oldest == frames_.size() ? 0 : oldest);
  }
}

// Adaptive marking by memory_management_control_operation (8.2.5.4).
void References::mark(const Sps& sps, const SliceHeader& header) {
  for (const auto& marking : header.markings) {
    const std::int64_t pic_num =
        header.frame_num - (static_cast<std::int64_t>(marking.values[0]) + 1);
    const auto find_short = [&]() {
      std::size_t at = 0;
      while (at < frames_.size() && (frames_[at]->long_term() || frames_[at]->pic_num != pic_num))
        ++at;
      return at;
    };
    const auto index = [](std::uint32_t value) {
      return static_cast<int>(std::min<std::uint32_t>(value, 1 << 20));
    };
    switch (marking.kind) {
      case 1:
        if (const std::size_t at = find_short(); at < frames_.size()) drop(at);
        break;
      case 2: drop_long_term(index(marking.values[0])); break;
      case 3:
        if (const std::size_t at = find_short(); at < frames_.size()) {
          Held frame = std::move(frames_[at]);
          frames_.erase(frames_.begin() + static_cast<std::ptrdiff_t>(at));
          drop_long_term(index(marking.values[1]));
          frame->long_term_index = index(marking.values[1]);
          frames_.push_back(std::move(frame));
        }
        break;
      case 4:
        for (std::size_t at = frames_.size(); at-- > 0;)
          if (frames_[at]->long_term_index >= index(marking.values[0])) drop(at);
        break;
      case 5:
        while (!frames_.empty()) drop(frames_.size() - 1);
        previous_reset_ = true;
        break;
      default:
        drop_long_term(index(marking.values[0]));
        current_->long_term_index = index(marking.values[0]);
        break;
    }
  }
  // A stream that marks too few would let the buffer grow.
  if (!current_->long_term()) slide(sps);
  while (frames_.size() > 16) drop(0);
}

void References::end(const Sps& sps, const SliceHeader& header) {
  previous_reset_ = false;
  previous_frame_num_ = header.frame_num;
  previous_offset_ = offset_;
  if (header.reference_idc == 0) {
    spare_.push_back(std::move(current_));
    return;
  }
  previous_reference_frame_num_ = header.frame_num;
  number(sps, header.frame_num);
  if (header.idr) {
    if (header.long_term) current_->long_term_index = 0;
  } else if (header.adaptive_marking) {
    mark(sps, header);
  } else {
    slide(sps);
  }
  previous_poc_msb_ = poc_msb_;
  previous_poc_lsb_ = header.poc_lsb;
  if (previous_reset_) {
    // The picture counts as if it had frame_num 0, and its POC begins from 0 (8.2.1).
    const std::int32_t poc = current_->poc;
    current_->poc = 0;
    current_->frame_num = 0;
    previous_frame_num_ = 0;
    previous_reference_frame_num_ = 0;
    previous_offset_ = 0;
    previous_poc_msb_ = 0;
    previous_poc_lsb_ = header.bottom ? 0 : add(top_poc_, -poc);
  }
  frames_.push_back(std::move(current_));
}

}  // namespace costream::h264
