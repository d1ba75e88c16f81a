#include "reader.h"

#include <algorithm>
#include <utility>

#include "nal.h"

namespace costream {

using namespace h265;

namespace {

// A packet holds an access unit. Hostile ones don't get memory for thousands of pictures.
constexpr std::size_t kMaxPictures = 16;

const char* const kMissing = "missing references";

}  // namespace

void H265Reader::note(Picture& picture, const std::string& reason) {
  // Where a tracker begins the pictures before are missing, and taken to have stood still.
  if (tracker_ != nullptr && reason != kMissing) tracker_->fail();
  auto& known = picture.unsupported;
  if (std::find(known.begin(), known.end(), reason) == known.end()) known.push_back(reason);
}

void H265Reader::configure(const std::uint8_t* extradata, std::size_t size) {
  reset();
  sets_ = ParameterSets{};
  length_bytes_ = 0;
  std::vector<Picture> none;
  const auto use = [&](const std::uint8_t* nal, std::size_t bytes) {
    if (bytes > 2 && (nal[0] >> 1 & 63) > kLastSlice) nal_unit(nal, bytes, none);
  };
  const bool annex_b = size >= 4 && extradata[0] == 0 && extradata[1] == 0 &&
                       (extradata[2] == 1 || (extradata[2] == 0 && extradata[3] == 1));
  if (annex_b) return for_each_annex_b(extradata, size, use);
  if (size < 23) return;
  length_bytes_ = (extradata[21] & 3) + 1;
  std::size_t at = 23;
  for (int array = 0; array < extradata[22] && at + 3 <= size; ++array) {
    const int count = extradata[at + 1] << 8 | extradata[at + 2];
    at += 3;
    for (int i = 0; i < count && at + 2 <= size; ++i) {
      const auto length = static_cast<std::size_t>(extradata[at] << 8 | extradata[at + 1]);
      at += 2;
      if (length > size - at) return;
      use(extradata + at, length);
      at += length;
    }
  }
}

void H265Reader::reset() {
  references_.clear();
  sequence_starts_ = true;
  previous_poc_ = 0;
}

std::vector<Picture> H265Reader::read(const std::uint8_t* packet, std::size_t size,
                                      std::int64_t number) {
  std::vector<Picture> out;
  packet_ = number;
  tracker_ = nullptr;
  this->packet(packet, size, out);
  return out;
}

void H265Reader::track(const std::uint8_t* packet, std::size_t size, Tracker& tracker) {
  std::vector<Picture> out;
  tracker_ = &tracker;
  this->packet(packet, size, out);
  if (out.empty()) tracker.fail();
  tracker_ = nullptr;
}

void H265Reader::packet(const std::uint8_t* data, std::size_t size, std::vector<Picture>& out) {
  const auto use = [&](const std::uint8_t* nal, std::size_t bytes) { nal_unit(nal, bytes, out); };
  if (length_bytes_ == 0) {
    for_each_annex_b(data, size, use);
  } else {
    for_each_prefixed(data, size, length_bytes_, use);
  }
  finish_picture();
}

void H265Reader::nal_unit(const std::uint8_t* data, std::size_t size, std::vector<Picture>& out) {
  if (size < 2 || (data[0] & 0x80) != 0) return;
  const int type = data[0] >> 1 & 63, layer = (data[0] & 1) << 5 | data[1] >> 3;
  const int temporal_id = (data[1] & 7) - 1;
  if (layer != 0 || temporal_id < 0) return;
  const bool coded = type <= kRaslR || (type >= kBlaWLp && type <= kCra);  // the rest is reserved
  if (!coded && type != kSps && type != kPps && type != kEndOfSequence && type != kEndOfBitstream)
    return;

  if (type == kEndOfSequence || type == kEndOfBitstream) {
    finish_picture();
    sequence_starts_ = true;
    return;
  }
  if (size == 2) return;
  unescape_into(data + 2, size - 2, payload_);
  // A set that can't be read takes the place of the one before it: slices that need it aren't read
  // by parameters that may no longer hold.
  int id = -1;
  if (type == kSps) {
    auto sps = parse_sequence_parameters(BitReader(payload_.data(), payload_.size()), id);
    if (id >= 0) sets_.sps[static_cast<std::size_t>(id)] = std::move(sps);
  } else if (type == kPps) {
    auto pps = parse_picture_parameters(BitReader(payload_.data(), payload_.size()), id);
    if (id >= 0) sets_.pps[static_cast<std::size_t>(id)] = std::move(pps);
  } else {
    slice(type, temporal_id, size, out);
  }
}

void H265Reader::slice(int type, int temporal_id, std::size_t coded_size,
                       std::vector<Picture>& out) {
  const bool first = (payload_[0] & 0x80) != 0;
  if (first || picture_ == nullptr) {
    finish_picture();
    if (out.size() == kMaxPictures) return;
    header_valid_ = false;
    decoding_ = false;
    // What is known though it can't be read.
    out.emplace_back();
    picture_ = &out.back();
    picture_->packet = packet_;
    picture_->poc = 0;
    picture_->type = "I";
    picture_->key = is_irap(type);
    picture_->reference = is_sub_layer_reference(type);
  }
  Picture& picture = *picture_;
  picture.bits += static_cast<std::uint32_t>(coded_size * 8);

  BitReader bits(payload_.data(), payload_.size());
  SliceHeader header = header_;
  const std::string reason = parse_slice_header(bits, type, sets_, header);
  if (!reason.empty()) return note(picture, reason);
  if (header.dependent && !header_valid_) return note(picture, "damaged");
  if (!decoding_) {
    sps_ = sets_.sps[static_cast<std::size_t>(
        sets_.pps[static_cast<std::size_t>(header.pps)]->sequence)];
    pps_ = sets_.pps[static_cast<std::size_t>(header.pps)];
    if (!start_picture(type, temporal_id, header, picture)) return note(picture, "damaged");
    // A picture's parameter sets hold for all its slices.
  } else if (sets_.pps[static_cast<std::size_t>(header.pps)] != pps_ ||
             sets_.sps[static_cast<std::size_t>(pps_->sequence)] != sps_) {
    return note(picture, "damaged");
  }
  header_ = header;
  header_valid_ = true;

  if (!header.dependent) {
    if (!references_.make_lists(header_, lists_)) {
      header_valid_ = false;
      return note(picture, "damaged");
    }
    if (header.type == SliceType::kB) {
      picture.type = "B";
    } else if (header.type == SliceType::kP && picture.type == "I") {
      picture.type = "P";
    }
  }
  if (tracker_ != nullptr) {
    // Of an intra picture all is new.
    if (header.type == SliceType::kI) tracker_->fail();
    if (tracker_->failed()) return;
  }
  if (decoder_.decode(header_, lists_, payload_.data() + header_.data,
                      payload_.size() - header_.data)) {
    ++picture.slices;
  } else {
    note(picture, "damaged");
  }
}

bool H265Reader::start_picture(int type, int temporal_id, const SliceHeader& header,
                               Picture& picture) {
  if (layout_sps_ != sps_ || layout_pps_ != pps_) {
    layout_sps_ = nullptr;
    if (!make_tile_layout(*sps_, *pps_, layout_)) return false;
    layout_sps_ = sps_;
    layout_pps_ = pps_;
  }

  // Picture order count (8.3.1).
  const bool restarts = is_irap(type) && (is_idr(type) || type <= kBlaNLp || sequence_starts_);
  const std::int32_t size = 1 << sps_->log2_max_poc_lsb;
  std::uint32_t high = 0;
  if (!restarts) {
    const std::int32_t before = previous_poc_ & (size - 1);
    high = static_cast<std::uint32_t>(previous_poc_ - before);
    if (header.poc_lsb < before && before - header.poc_lsb >= size / 2) {
      high += static_cast<std::uint32_t>(size);
    } else if (header.poc_lsb > before && header.poc_lsb - before > size / 2) {
      high -= static_cast<std::uint32_t>(size);
    }
  }
  poc_ = static_cast<std::int32_t>(high + static_cast<std::uint32_t>(header.poc_lsb));
  const bool leading = type >= kRadlN && type <= kRaslR;
  if (temporal_id == 0 && !leading && is_sub_layer_reference(type)) previous_poc_ = poc_;
  sequence_starts_ = false;

  if (restarts) references_.clear();
  if (!references_.update(header, poc_, sps_->log2_max_poc_lsb)) note(picture, kMissing);

  picture.poc = poc_;
  picture.reference = is_sub_layer_reference(type) || temporal_id + 1 < sps_->max_sub_layers;
  picture.field = sps_->field_sequence;
  picture.width = sps_->width - sps_->crop_left - sps_->crop_right;
  picture.height = sps_->height - sps_->crop_top - sps_->crop_bottom;
  picture.crop_left = sps_->crop_left;
  picture.crop_top = sps_->crop_top;
  picture.columns = sps_->width / 4;
  picture.rows = sps_->height / 4;
  if (tracker_ != nullptr) {
    if (sps_->bit_depth_luma != 8) tracker_->fail();
    tracker_->begin(picture.width, picture.height, picture.crop_left, picture.crop_top);
    picture.motion.swap(spare_.motion);
    picture.mode.swap(spare_.mode);
    picture.qp.swap(spare_.qp);
    picture.mode.clear();
  }
  decoder_.start(*sps_, *pps_, layout_, poc_, picture, tracker_);
  decoding_ = true;
  return true;
}

void H265Reader::finish_picture() {
  if (picture_ != nullptr && decoding_) {
    std::unique_ptr<Frame> frame = references_.obtain();
    decoder_.finish(frame.get());
    references_.add(std::move(frame));
    if (tracker_ != nullptr) {
      tracker_->end();
      picture_->motion.swap(spare_.motion);
      picture_->mode.swap(spare_.mode);
      picture_->qp.swap(spare_.qp);
    }
  }
  picture_ = nullptr;
  decoding_ = false;
}

}  // namespace costream
