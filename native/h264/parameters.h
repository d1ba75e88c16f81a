// Sequence and picture parameter sets (ITU-T H.264, 7.3.2.1 and 7.3.2.2).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "../common/bits.h"

namespace costream::h264 {

// Scaling lists of 4x4 (intra Y, Cb, Cr, inter Y, Cb, Cr) and 8x8 (intra Y, inter Y) blocks, in
// zig-zag order.
struct ScalingLists {
  std::array<std::array<std::uint8_t, 16>, 6> four;
  std::array<std::array<std::uint8_t, 64>, 2> eight;
};

// Scaling lists as a parameter set has them: what is not given falls back to other lists.
struct CodedScalingLists {
  enum class Kind : std::uint8_t { kFallback, kDefault, kGiven };
  std::array<Kind, 8> kinds{};
  ScalingLists given{};

  // `base`: what the first list of each kind falls back to.
  ScalingLists resolve(const ScalingLists& base) const;
};

struct Sps {
  int profile = 0;
  int chroma_format = 1;
  int luma_depth = 8, chroma_depth = 8;
  bool transform_bypass = false;
  std::optional<CodedScalingLists> lists;
  int frame_num_bits = 4;
  int poc_type = 0;
  int poc_lsb_bits = 4;
  bool delta_poc_always_zero = false;
  std::int32_t offset_for_non_reference = 0;
  std::int32_t offset_for_top_to_bottom = 0;
  std::vector<std::int32_t> offset_for_reference;
  int reference_frames = 0;
  int width = 0, height = 0;  // macroblocks of a frame
  bool frames_only = true;
  bool mbaff = false;
  bool direct_8x8_inference = false;
  int crop_left = 0, crop_right = 0, crop_top = 0, crop_bottom = 0;  // luma samples

  int max_frame_num() const { return 1 << frame_num_bits; }
  // Added to QP_Y where samples have more than 8 bits.
  int qp_offset() const { return 6 * (luma_depth - 8); }
};

struct Pps {
  int sps = 0;
  bool cabac = false;
  bool bottom_field_poc = false;
  int slice_groups = 1;
  int references[2] = {1, 1};
  bool weighted_prediction = false;
  int weighted_bi_prediction = 0;
  int init_qp = 26;
  bool deblocking_control = false;
  bool redundant_pictures = false;
  bool transform_8x8 = false;
  std::optional<CodedScalingLists> lists;
};

// Reads the payload of a NAL unit, behind its header; nothing where it is damaged. `id` is set as
// soon as it is known.
std::optional<Sps> parse_sps(const std::vector<std::uint8_t>& payload, int& id);
std::optional<Pps> parse_pps(const std::vector<std::uint8_t>& payload, int& id);

// The lists that hold for slices of these parameter sets.
ScalingLists scaling_lists(const Sps& sps, const Pps& pps);

// Bits before rbsp_stop_one_bit.
std::size_t payload_bits(const std::uint8_t* data, std::size_t size);

}  // namespace costream::h264
