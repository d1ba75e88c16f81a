#include "parameters.h"

#include <algorithm>
#include <initializer_list>

namespace costream::h264 {
namespace {

// Tables 7-3 and 7-4: default scaling lists, in zig-zag order, of intra and inter blocks.
constexpr std::array<std::uint8_t, 16> kDefault4x4[2] = {
    {6, 13, 13, 20, 20, 20, 28, 28, 28, 28, 32, 32, 32, 37, 37, 42},
    {10, 14, 14, 20, 20, 20, 24, 24, 24, 24, 27, 27, 27, 30, 30, 34},
};
constexpr std::array<std::uint8_t, 64> kDefault8x8[2] = {
    {6, 10, 10, 13, 11, 13, 16, 16, 16, 16, 18, 18, 18, 18, 18, 23, 23, 23, 23, 23, 23, 25, 25, 25,
     25, 25, 25, 25, 27, 27, 27, 27, 27, 27, 27, 27, 29, 29, 29, 29, 29, 29, 29, 31, 31, 31, 31,
     31, 31, 33, 33, 33, 33, 33, 36, 36, 36, 36, 38, 38, 38, 40, 40, 42},
    {9, 13, 13, 15, 13, 15, 17, 17, 17, 17, 19, 19, 19, 19, 19, 21, 21, 21, 21, 21, 21, 22, 22, 22,
     22, 22, 22, 22, 24, 24, 24, 24, 24, 24, 24, 24, 25, 25, 25, 25, 25, 25, 25, 27, 27, 27, 27,
     27, 27, 28, 28, 28, 28, 28, 30, 30, 30, 30, 32, 32, 32, 33, 33, 35},
};

constexpr int kMaxMacroblocks = 139264;  // of level 6.2
constexpr int kMaxSide = 1056;           // sqrt(8 * kMaxMacroblocks), A.3.1

// scaling_list() (7.3.2.1.1.1)
template <std::size_t kSize>
CodedScalingLists::Kind read_list(BitReader& bits, std::array<std::uint8_t, kSize>& list) {
  if (!bits.flag()) return CodedScalingLists::Kind::kFallback;
  int last = 8;
  int next = 8;
  for (std::size_t at = 0; at < kSize; ++at) {
    if (next != 0) {
      next = static_cast<int>(
          (static_cast<std::uint32_t>(last) + static_cast<std::uint32_t>(bits.se())) & 255);
      if (at == 0 && next == 0) return CodedScalingLists::Kind::kDefault;
    }
    if (next != 0) last = next;
    list[at] = static_cast<std::uint8_t>(last);
  }
  return CodedScalingLists::Kind::kGiven;
}

CodedScalingLists read_lists(BitReader& bits, int eights) {
  CodedScalingLists lists;
  for (std::size_t list = 0; list < 6; ++list)
    lists.kinds[list] = read_list(bits, lists.given.four[list]);
  for (std::size_t list = 0; list < static_cast<std::size_t>(eights); ++list) {
    std::array<std::uint8_t, 64> chroma;  // 4:4:4 has further lists
    const auto kind = read_list(bits, list < 2 ? lists.given.eight[list] : chroma);
    if (list < 2) lists.kinds[6 + list] = kind;
  }
  return lists;
}

ScalingLists default_lists() {
  ScalingLists lists;
  for (std::size_t list = 0; list < 6; ++list) lists.four[list] = kDefault4x4[list / 3];
  for (std::size_t list = 0; list < 2; ++list) lists.eight[list] = kDefault8x8[list];
  return lists;
}

bool has_chroma_format(int profile) {
  for (const int high : {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
    if (profile == high) return true;
  return false;
}

}  // namespace

// Fall-back rules A and B (table 7-2).
ScalingLists CodedScalingLists::resolve(const ScalingLists& base) const {
  const ScalingLists defaults = default_lists();
  ScalingLists lists;
  for (std::size_t list = 0; list < 6; ++list) {
    switch (kinds[list]) {
      case Kind::kGiven: lists.four[list] = given.four[list]; break;
      case Kind::kDefault: lists.four[list] = defaults.four[list]; break;
      case Kind::kFallback:
        lists.four[list] = list % 3 == 0 ? base.four[list] : lists.four[list - 1];
        break;
    }
  }
  for (std::size_t list = 0; list < 2; ++list) {
    switch (kinds[6 + list]) {
      case Kind::kGiven: lists.eight[list] = given.eight[list]; break;
      case Kind::kDefault: lists.eight[list] = defaults.eight[list]; break;
      case Kind::kFallback: lists.eight[list] = base.eight[list]; break;
    }
  }
  return lists;
}

ScalingLists scaling_lists(const Sps& sps, const Pps& pps) {
  ScalingLists lists;
  for (auto& list : lists.four) list.fill(16);
  for (auto& list : lists.eight) list.fill(16);
  if (sps.lists) lists = sps.lists->resolve(default_lists());
  if (pps.lists) lists = pps.lists->resolve(sps.lists ? lists : default_lists());
  return lists;
}

std::size_t payload_bits(const std::uint8_t* data, std::size_t size) {
  while (size > 0 && data[size - 1] == 0) --size;
  if (size == 0) return 0;
  return 8 * size - 1 - static_cast<std::size_t>(__builtin_ctz(data[size - 1]));
}

std::optional<Sps> parse_sps(const std::vector<std::uint8_t>& payload, int& id) {
  BitReader bits(payload.data(), payload.size());
  Sps sps;
  sps.profile = static_cast<int>(bits.read(8));
  bits.read(16);  // constraint flags and level
  const std::uint32_t number = bits.ue();
  if (number > 31) return std::nullopt;
  id = static_cast<int>(number);
  if (has_chroma_format(sps.profile)) {
    const std::uint32_t format = bits.ue();
    if (format > 3) return std::nullopt;
    sps.chroma_format = static_cast<int>(format);
    if (format == 3) bits.flag();  // separate_colour_plane_flag
    const std::uint32_t luma = bits.ue();
    const std::uint32_t chroma = bits.ue();
    if (luma > 6 || chroma > 6) return std::nullopt;
    sps.luma_depth = 8 + static_cast<int>(luma);
    sps.chroma_depth = 8 + static_cast<int>(chroma);
    sps.transform_bypass = bits.flag();
    if (bits.flag()) sps.lists = read_lists(bits, format == 3 ? 6 : 2);
  }
  const std::uint32_t frame_num_bits = bits.ue() + 4;
  if (frame_num_bits > 16) return std::nullopt;
  sps.frame_num_bits = static_cast<int>(frame_num_bits);
  const std::uint32_t poc_type = bits.ue();
  if (poc_type > 2) return std::nullopt;
  sps.poc_type = static_cast<int>(poc_type);
  if (poc_type == 0) {
    const std::uint32_t lsb_bits = bits.ue() + 4;
    if (lsb_bits > 16) return std::nullopt;
    sps.poc_lsb_bits = static_cast<int>(lsb_bits);
  } else if (poc_type == 1) {
    sps.delta_poc_always_zero = bits.flag();
    sps.offset_for_non_reference = bits.se();
    sps.offset_for_top_to_bottom = bits.se();
    const std::uint32_t cycle = bits.ue();
    if (cycle > 255) return std::nullopt;
    for (std::uint32_t at = 0; at < cycle; ++at) sps.offset_for_reference.push_back(bits.se());
  }
  const std::uint32_t frames = bits.ue();
  if (frames > 16) return std::nullopt;
  sps.reference_frames = static_cast<int>(frames);
  bits.flag();  // gaps_in_frame_num_value_allowed_flag: lost frames are inferred likewise
  const std::uint32_t width = bits.ue();
  const std::uint32_t height = bits.ue();
  if (width >= kMaxSide || height >= kMaxSide) return std::nullopt;
  sps.frames_only = bits.flag();
  sps.width = static_cast<int>(width) + 1;
  sps.height = (static_cast<int>(height) + 1) * (sps.frames_only ? 1 : 2);
  if (sps.width * sps.height > kMaxMacroblocks) return std::nullopt;
  if (!sps.frames_only) sps.mbaff = bits.flag();
  sps.direct_8x8_inference = bits.flag();
  if (bits.flag()) {
    const int unit_x = sps.chroma_format == 1 || sps.chroma_format == 2 ? 2 : 1;
    const int unit_y = (sps.chroma_format == 1 ? 2 : 1) * (sps.frames_only ? 1 : 2);
    std::uint32_t crops[4];
    for (auto& crop : crops) {
      crop = bits.ue();
      if (crop > 1 << 16) return std::nullopt;
    }
    sps.crop_left = unit_x * static_cast<int>(crops[0]);
    sps.crop_right = unit_x * static_cast<int>(crops[1]);
    sps.crop_top = unit_y * static_cast<int>(crops[2]);
    sps.crop_bottom = unit_y * static_cast<int>(crops[3]);
    if (sps.crop_left + sps.crop_right >= 16 * sps.width ||
        sps.crop_top + sps.crop_bottom >= 16 * sps.height)
      return std::nullopt;
  }
  if (bits.spent()) return std::nullopt;
  return sps;
}

std::optional<Pps> parse_pps(const std::vector<std::uint8_t>& payload, int& id) {
  BitReader bits(payload.data(), payload.size());
  Pps pps;
  const std::uint32_t number = bits.ue();
  const std::uint32_t sps = bits.ue();
  if (number > 255 || sps > 31) return std::nullopt;
  id = static_cast<int>(number);
  pps.sps = static_cast<int>(sps);
  pps.cabac = bits.flag();
  pps.bottom_field_poc = bits.flag();
  const std::uint32_t groups = bits.ue();
  if (groups > 7) return std::nullopt;
  pps.slice_groups = static_cast<int>(groups) + 1;
  // Slices of such pictures aren't read: what follows is of no interest.
  if (groups > 0) return pps;
  for (int& references : pps.references) {
    const std::uint32_t count = bits.ue() + 1;
    if (count > 32) return std::nullopt;
    references = static_cast<int>(count);
  }
  pps.weighted_prediction = bits.flag();
  pps.weighted_bi_prediction = static_cast<int>(bits.read(2));
  const std::int32_t qp = bits.se();
  if (qp < -62 || qp > 25) return std::nullopt;
  pps.init_qp = 26 + qp;
  bits.se();  // pic_init_qs_minus26
  bits.se();  // chroma_qp_index_offset
  pps.deblocking_control = bits.flag();
  bits.flag();  // constrained_intra_pred_flag
  pps.redundant_pictures = bits.flag();
  if (bits.position() < payload_bits(payload.data(), payload.size())) {
    pps.transform_8x8 = bits.flag();
    // How many 8x8 lists there are depends on the chroma format. 4:4:4 isn't read, and nothing
    // behind the lists is needed.
    if (bits.flag()) pps.lists = read_lists(bits, pps.transform_8x8 ? 2 : 0);
  }
  if (bits.spent()) return std::nullopt;
  return pps;
}

}  // namespace costream::h264
