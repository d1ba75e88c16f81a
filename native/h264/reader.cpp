#include "reader.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "parameters.h"
#include "references.h"
#include "slice_data.h"
#include "slice_header.h"

namespace costream {
namespace h264 {
namespace {

constexpr int kSlice = 1;
constexpr int kPartition = 2;  // to 4
constexpr int kIdrSlice = 5;
constexpr int kSei = 6;
constexpr int kSps = 7;
constexpr int kPps = 8;

// The next start code from `at` on: where it begins and ends, or the end twice.
struct StartCode {
  const std::uint8_t* begin;
  const std::uint8_t* end;
};
StartCode find_start_code(const std::uint8_t* at, const std::uint8_t* end) {
  while (end - at >= 3) {
    const auto* one = static_cast<const std::uint8_t*>(
        std::memchr(at + 2, 1, static_cast<std::size_t>(end - at - 2)));
    if (!one) break;
    if (one[-1] == 0 && one[-2] == 0) return {one - 2, one + 1};
    at = one - 1;
  }
  return {end, end};
}

// Calls `take(data, size)` for each NAL unit: the one that begins here, and those behind start
// codes.
template <typename Take>
void split_units(const std::uint8_t* unit, const std::uint8_t* end, Take take) {
  while (unit != end) {
    const StartCode next = find_start_code(unit, end);
    if (next.begin > unit) take(unit, static_cast<std::size_t>(next.begin - unit));
    unit = next.end;
  }
}

template <typename Take>
void split_start_codes(const std::uint8_t* data, std::size_t size, Take take) {
  split_units(find_start_code(data, data + size).end, data + size, take);
}

// Some files have further units, with start codes, within a length.
template <typename Take>
void split_lengths(const std::uint8_t* data, std::size_t size, std::size_t length_size, Take take) {
  std::size_t at = 0;
  while (size - at > length_size) {
    std::size_t length = 0;
    for (std::size_t byte = 0; byte < length_size; ++byte) length = length << 8 | data[at++];
    length = std::min(length, size - at);
    split_units(data + at, data + at + length, take);
    at += length;
  }
}

bool same_picture(const SliceHeader& left, const SliceHeader& right) {
  return left.frame_num == right.frame_num && left.pps == right.pps && left.field == right.field &&
         left.bottom == right.bottom && left.idr == right.idr &&
         (left.reference_idc == 0) == (right.reference_idc == 0) &&
         (!left.idr || left.idr_id == right.idr_id) && left.poc_lsb == right.poc_lsb &&
         left.delta_poc_bottom == right.delta_poc_bottom &&
         left.delta_poc[0] == right.delta_poc[0] && left.delta_poc[1] == right.delta_poc[1];
}

// Whether a supplemental enhancement message says that decoding can start right here.
bool is_recovery_point(const std::vector<std::uint8_t>& payload) {
  std::size_t at = 0;
  while (at + 2 < payload.size()) {
    std::size_t values[2] = {0, 0};  // type and size
    for (auto& value : values) {
      while (at < payload.size() && payload[at] == 255) {
        value += 255;
        ++at;
      }
      if (at == payload.size()) return false;
      value += payload[at++];
    }
    if (values[1] > payload.size() - at) return false;
    if (values[0] == 6) {
      BitReader bits(payload.data() + at, values[1]);
      return bits.ue() == 0 && !bits.spent();  // recovery_frame_cnt
    }
    at += values[1];
  }
  return false;
}

const char* type_name(SliceType type) {
  return type == SliceType::kB ? "B" : type == SliceType::kP ? "P" : "I";
}

}  // namespace
}  // namespace h264

using namespace h264;

struct H264Reader::State {
  // A parameter set with the bytes it came as, to tell a repeated one from a new one.
  template <typename Parameters>
  struct Held {
    std::vector<std::uint8_t> payload;
    std::shared_ptr<const Parameters> parameters;
  };

  void take_unit(const std::uint8_t* data, std::size_t size);
  void take_parameters(int kind, std::vector<std::uint8_t> payload);
  void take_slice(int kind, int reference_idc, const std::uint8_t* data, std::size_t size);
  void unescape_slice(const std::uint8_t* data, std::size_t size);
  void take_packet(const std::uint8_t* packet, std::size_t size);
  void begin_picture(const SliceHeader& header);
  void end_picture();
  void refuse(const std::string& reason, std::size_t bits, const Sps* of = nullptr);
  void add_type(SliceType type);
  Slice prepare(const SliceHeader& header, const Lists& lists);

  std::array<Held<Sps>, 32> sequence_sets;
  std::array<Held<Pps>, 256> picture_sets;
  std::size_t length_size = 0;  // 0: Annex B

  // Of the coded video sequence.
  std::shared_ptr<const Sps> sps;
  bool fields = false;  // had field pictures since its IDR picture
  References references;
  Canvas canvas;
  std::shared_ptr<const Pps> scaled;  // what `scales` was made for
  std::shared_ptr<const Sps> scaled_sps;
  Scales scales;

  // Of the packet.
  std::int64_t number = 0;
  std::vector<Picture> pictures;
  std::vector<std::uint8_t> payload;  // of a slice's NAL unit, and its padding
  bool recovery_point = false;

  Tracker* tracker = nullptr;  // set: pictures are reported to it alone
  Plane<Motion> motion;        // memory for that of its pictures

  // Of the picture.
  bool open = false;
  Frame* frame = nullptr;
  SliceHeader header;  // of its first slice
  bool intra = true;
};

void H264Reader::State::take_packet(const std::uint8_t* packet, std::size_t size) {
  pictures.clear();
  recovery_point = false;
  const auto take = [this](const std::uint8_t* data, std::size_t length) {
    take_unit(data, length);
  };
  if (length_size == 0)
    split_start_codes(packet, size, take);
  else
    split_lengths(packet, size, length_size, take);
  end_picture();
  if (tracker && pictures.empty()) tracker->fail();
}

void H264Reader::State::take_unit(const std::uint8_t* data, std::size_t size) {
  if ((data[0] & 0x80) != 0) return refuse("damaged", 0);
  const int kind = data[0] & 31;
  const int reference_idc = data[0] >> 5;
  switch (kind) {
    case kSlice:
    case kIdrSlice: take_slice(kind, reference_idc, data + 1, size - 1); break;
    case kPartition:
    case kPartition + 1:
    case kPartition + 2: refuse("data partitioning", 8 * size); break;
    case kSei: recovery_point |= is_recovery_point(unescape(data + 1, size - 1)); break;
    case kSps:
    case kPps: take_parameters(kind, unescape(data + 1, size - 1)); break;
    default: break;
  }
}

void H264Reader::State::take_parameters(int kind, std::vector<std::uint8_t> bytes) {
  // A set that can't be read takes the place of the one before it: slices that need it aren't read
  // by parameters that may no longer hold.
  const auto keep = [&bytes](auto& sets, auto parsed, int id) {
    if (id < 0) return;
    auto& held = sets[static_cast<std::size_t>(id)];
    if (!parsed) {
      held = {};
      return;
    }
    if (held.parameters && held.payload == bytes) return;
    using Parameters = typename decltype(parsed)::value_type;
    held.parameters = std::make_shared<const Parameters>(std::move(*parsed));
    held.payload = std::move(bytes);
  };
  int id = -1;  // not even that could be read
  if (kind == kSps) {
    auto parsed = parse_sps(bytes, id);
    keep(sequence_sets, std::move(parsed), id);
  } else {
    auto parsed = parse_pps(bytes, id);
    keep(picture_sets, std::move(parsed), id);
  }
}

// Into `payload`, without emulation prevention, with padding behind.
void H264Reader::State::unescape_slice(const std::uint8_t* data, std::size_t size) {
  payload.resize(size + Slice::kPadding);
  std::uint8_t* to = payload.data();
  const std::uint8_t* const end = data + size;
  const std::uint8_t* kept = data;  // up to here it has been copied
  for (const std::uint8_t* at = data + 2; at < end; ++at) {
    at = static_cast<const std::uint8_t*>(std::memchr(at, 3, static_cast<std::size_t>(end - at)));
    if (!at) break;
    if (at - kept < 2 || at[-1] != 0 || at[-2] != 0) continue;
    std::memcpy(to, kept, static_cast<std::size_t>(at - kept));
    to += at - kept;
    kept = at + 1;
    ++at;
  }
  std::memcpy(to, kept, static_cast<std::size_t>(end - kept));
  to += end - kept;
  const auto length = static_cast<std::size_t>(to - payload.data());
  payload.resize(length + Slice::kPadding);
  std::memset(to, 0, Slice::kPadding);
}

// A slice of the picture at hand, or of one that nothing else is known of, can't be read.
void H264Reader::State::refuse(const std::string& reason, std::size_t bits, const Sps* of) {
  if (tracker) tracker->fail();
  if (!open) {
    Picture& picture = pictures.emplace_back();
    picture.type = "I";
    picture.packet = number;
    picture.poc = 0;
    if (of) picture.crop_left = of->crop_left, picture.crop_top = of->crop_top;
    open = true;
    frame = nullptr;
    header = SliceHeader();
  }
  Picture& picture = pictures.back();
  picture.bits += static_cast<std::uint32_t>(bits);
  auto& reasons = picture.unsupported;
  if (std::find(reasons.begin(), reasons.end(), reason) == reasons.end()) reasons.push_back(reason);
}

void H264Reader::State::begin_picture(const SliceHeader& first) {
  const bool stub = open;
  header = first;
  open = true;
  intra = true;
  frame = &references.begin(*sps, first);
  if (first.idr) fields = false;
  fields |= first.field;

  // What was refused before belongs to it.
  Picture& picture = stub ? pictures.back() : pictures.emplace_back();
  picture.type = "I";
  picture.packet = number;
  picture.poc = frame->poc;
  picture.reference = first.reference_idc != 0;
  picture.width = 16 * sps->width - sps->crop_left - sps->crop_right;
  picture.height = 16 * sps->height - sps->crop_top - sps->crop_bottom;
  picture.crop_left = sps->crop_left;
  picture.crop_top = sps->crop_top;
  picture.columns = 4 * sps->width;
  picture.rows = 4 * sps->height;
  const auto blocks =
      static_cast<std::size_t>(picture.columns) * static_cast<std::size_t>(picture.rows);
  if (tracker) {
    tracker->begin(picture.width, picture.height, picture.crop_left, picture.crop_top);
    picture.motion.swap(motion);
  }
  canvas.begin(picture);
  // Only direct prediction looks at another picture's motion, and Baseline has none.
  const bool kept = picture.reference && sps->profile != 66;
  frame->colocated.resize(kept ? blocks / (sps->direct_8x8_inference ? 4 : 1) : 0);
  frame->left_out.assign(kept ? blocks / 16 : 0, 1);
  canvas.kept = kept ? frame : nullptr;
}

void H264Reader::State::end_picture() {
  if (!open) return;
  open = false;
  if (!frame) return;
  Picture& picture = pictures.back();
  picture.key = header.idr || (recovery_point && intra && picture.slices > 0);
  frame->complete = canvas.end();
  if (tracker) {
    tracker->end();
    picture.motion.swap(motion);
  }
  references.end(*sps, header);
  frame = nullptr;
}

void H264Reader::State::add_type(SliceType type) {
  Picture& picture = pictures.back();
  if (type != SliceType::kI && type != SliceType::kSi) intra = false;
  const std::string name = type == SliceType::kSp ? "P" : type_name(type);
  if (name == "B" || (name == "P" && picture.type == "I")) picture.type = name;
}

Slice H264Reader::State::prepare(const SliceHeader& slice_header, const Lists& lists) {
  Picture& picture = pictures.back();
  const auto& pps = picture_sets[static_cast<std::size_t>(slice_header.pps)].parameters;
  if (scaled != pps || scaled_sps != sps) {
    scales = Scales(scaling_lists(*sps, *pps));
    scaled = pps;
    scaled_sps = sps;
  }
  Slice slice;
  slice.sps = sps.get();
  slice.pps = pps.get();
  slice.scales = &scales;
  slice.lists = &lists;
  slice.poc = picture.poc;
  for (std::size_t list = 0; list < 2; ++list) {
    slice.picture_reference[list].fill(-1);
    for (std::size_t at = 0; at < static_cast<std::size_t>(lists.size[list]); ++at) {
      const Frame* reference = lists.frames[list][at];
      const std::int32_t poc = reference ? reference->poc : picture.poc;
      auto& pocs = picture.references;
      auto found = std::find(pocs.begin(), pocs.end(), poc);
      if (found == pocs.end()) found = pocs.insert(pocs.end(), poc);
      slice.picture_reference[list][at] = static_cast<std::int8_t>(found - pocs.begin());
    }
  }
  return slice;
}

void H264Reader::State::take_slice(int kind, int reference_idc, const std::uint8_t* data,
                                   std::size_t size) {
  const std::size_t coded_bits = 8 * (size + 1);
  unescape_slice(data, size);
  const std::size_t length = payload.size() - Slice::kPadding;
  BitReader bits(payload.data(), length);
  SliceHeader slice_header;
  slice_header.idr = kind == kIdrSlice;
  slice_header.reference_idc = reference_idc;
  if (!parse_slice_start(bits, slice_header)) return refuse("damaged", coded_bits);
  const auto pps = picture_sets[static_cast<std::size_t>(slice_header.pps)].parameters;
  if (!pps) return refuse("missing parameter sets", coded_bits);
  const auto slice_sps = sequence_sets[static_cast<std::size_t>(pps->sps)].parameters;
  if (!slice_sps) return refuse("missing parameter sets", coded_bits);
  if (slice_sps->chroma_format == 3) return refuse("4:4:4 chroma", coded_bits, &*slice_sps);
  if (pps->slice_groups > 1) return refuse("slice groups", coded_bits, &*slice_sps);
  if (!parse_slice_rest(bits, *slice_sps, *pps, slice_header)) return refuse("damaged", coded_bits);
  // A redundant slice says again what another one says.
  if (slice_header.redundant) return;

  const bool second_field = open && frame && slice_header.field && header.field &&
                            slice_header.frame_num == header.frame_num;
  if (!open || !frame || sps != slice_sps ||
      !(second_field || same_picture(header, slice_header))) {
    end_picture();
    if (sps != slice_sps) {
      references.reset();
      sps = slice_sps;
      canvas.resize(*sps);
    }
    begin_picture(slice_header);
  }
  add_type(slice_header.type);
  if (slice_sps->chroma_format == 2) return refuse("4:2:2 chroma", coded_bits);
  if (sps->mbaff && !slice_header.field) return refuse("MBAFF", coded_bits);
  if (fields) return refuse("field pictures", coded_bits);
  if (slice_header.type == SliceType::kSp || slice_header.type == SliceType::kSi)
    return refuse("switching slices", coded_bits);

  const Lists lists = references.lists(*sps, slice_header);
  if (tracker) {
    // Of an intra picture all is new.
    if (slice_header.type == SliceType::kI || sps->luma_depth != 8) tracker->fail();
    if (tracker->failed()) return;
  }
  // Where a tracker begins the pictures before are missing, and taken to have stood still.
  if (!tracker && slice_header.type == SliceType::kB &&
      !(lists.frames[1][0] && lists.frames[1][0]->complete))
    return refuse("missing reference", coded_bits);
  Slice slice = prepare(slice_header, lists);
  slice.header = &slice_header;
  slice.data = payload.data();
  slice.size = length;
  slice.stop = payload_bits(payload.data(), length);
  Picture& picture = pictures.back();
  if (!canvas.filled) {
    // Most blocks of a quiet picture are skipped, and stand still.
    const bool inter = slice_header.type != SliceType::kI;
    const auto& first = slice.picture_reference;
    const Motion still = {{{0, 0}, {0, 0}}, {first[0][0], first[1][0]}};
    canvas.fill(still, inter ? Mode::kSkip : Mode::kIntra);
    frame->common = still_colocated(lists);
  }
  if (!read_slice(slice, canvas)) return refuse("damaged", coded_bits);
  picture.bits += static_cast<std::uint32_t>(coded_bits);
  ++picture.slices;
}

H264Reader::H264Reader() : state_(std::make_unique<State>()) {}
H264Reader::~H264Reader() = default;
H264Reader::H264Reader(H264Reader&&) noexcept = default;
H264Reader& H264Reader::operator=(H264Reader&&) noexcept = default;

void H264Reader::configure(const std::uint8_t* extradata, std::size_t size) {
  state_ = std::make_unique<State>();
  State& state = *state_;
  const auto take = [&state](const std::uint8_t* data, std::size_t length) {
    const int kind = data[0] & 31;
    if (kind == kSps || kind == kPps) state.take_parameters(kind, unescape(data + 1, length - 1));
  };
  if (size < 7 || extradata[0] != 1) {
    split_start_codes(extradata, size, take);
    return;
  }
  state.length_size = static_cast<std::size_t>(extradata[4] & 3) + 1;
  std::size_t at = 5;
  for (const int mask : {31, 255}) {
    if (at >= size) return;
    for (int count = extradata[at++] & mask; count > 0; --count) {
      if (size - at < 2) return;
      const std::size_t length = static_cast<std::size_t>(extradata[at] << 8 | extradata[at + 1]);
      at += 2;
      if (length > size - at) return;
      if (length > 0) take(extradata + at, length);
      at += length;
    }
  }
}

std::vector<Picture> H264Reader::read(const std::uint8_t* packet, std::size_t size,
                                      std::int64_t number) {
  State& state = *state_;
  state.number = number;
  state.tracker = state.canvas.tracker = nullptr;
  state.take_packet(packet, size);
  return std::move(state.pictures);
}

void H264Reader::track(const std::uint8_t* packet, std::size_t size, Tracker& tracker) {
  State& state = *state_;
  state.tracker = state.canvas.tracker = &tracker;
  state.take_packet(packet, size);
  state.tracker = state.canvas.tracker = nullptr;
}

void H264Reader::reset() {
  state_->references.reset();
  state_->fields = false;
}

}  // namespace costream
