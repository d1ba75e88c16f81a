#include "slice_header.h"

#include <algorithm>

namespace costream::h264 {
namespace {

constexpr std::size_t kMaxCommands = 66;  // twice all fields, and the end

// ref_pic_list_modification() (7.3.3.1)
bool read_modifications(BitReader& bits, std::vector<ListModification>& modifications) {
  if (!bits.flag()) return true;
  while (modifications.size() <= kMaxCommands) {
    const std::uint32_t kind = bits.ue();
    if (kind == 3) return true;
    if (kind > 3 || bits.spent()) return false;
    modifications.push_back({kind, bits.ue()});
  }
  return false;
}

// pred_weight_table() (7.3.3.2)
void read_weights(BitReader& bits, const Sps& sps, SliceHeader& header) {
  // luma_log2_weight_denom, 7 at most.
  const auto one = static_cast<float>(1u << std::min(bits.ue(), 7u));
  if (sps.chroma_format != 0) bits.ue();
  const int lists = header.type == SliceType::kB ? 2 : 1;
  for (int list = 0; list < lists; ++list) {
    for (int reference = 0; reference < header.references[list]; ++reference) {
      if (bits.flag()) {
        Weight& weight = header.weights[list][reference];
        weight.scale = static_cast<float>(bits.se()) / one;
        weight.offset = static_cast<float>(bits.se());
      }
      if (sps.chroma_format != 0 && bits.flag())
        for (int value = 0; value < 4; ++value) bits.se();
    }
  }
}

// dec_ref_pic_marking() (7.3.3.3)
bool read_markings(BitReader& bits, SliceHeader& header) {
  if (header.idr) {
    bits.flag();  // no_output_of_prior_pics_flag
    header.long_term = bits.flag();
    return true;
  }
  header.adaptive_marking = bits.flag();
  if (!header.adaptive_marking) return true;
  while (header.markings.size() <= kMaxCommands) {
    Marking marking{bits.ue(), {0, 0}};
    if (marking.kind == 0) return true;
    if (marking.kind > 6 || bits.spent()) return false;
    if (marking.kind != 5) marking.values[0] = bits.ue();
    if (marking.kind == 3) marking.values[1] = bits.ue();
    header.markings.push_back(marking);
  }
  return false;
}

}  // namespace

bool parse_slice_start(BitReader& bits, SliceHeader& header) {
  header.first = bits.ue();
  const std::uint32_t type = bits.ue();
  const std::uint32_t pps = bits.ue();
  if (type > 9 || pps > 255 || bits.spent()) return false;
  header.type = static_cast<SliceType>(type % 5);
  header.pps = static_cast<int>(pps);
  return true;
}

bool parse_slice_rest(BitReader& bits, const Sps& sps, const Pps& pps, SliceHeader& header) {
  header.frame_num = static_cast<int>(bits.read(sps.frame_num_bits));
  if (!sps.frames_only) {
    header.field = bits.flag();
    if (header.field) header.bottom = bits.flag();
  }
  if (header.idr) header.idr_id = bits.ue();
  if (sps.poc_type == 0) {
    header.poc_lsb = static_cast<int>(bits.read(sps.poc_lsb_bits));
    if (pps.bottom_field_poc && !header.field) header.delta_poc_bottom = bits.se();
  } else if (sps.poc_type == 1 && !sps.delta_poc_always_zero) {
    header.delta_poc[0] = bits.se();
    if (pps.bottom_field_poc && !header.field) header.delta_poc[1] = bits.se();
  }
  if (pps.redundant_pictures) header.redundant = bits.ue() != 0;
  const bool inter = header.type == SliceType::kP || header.type == SliceType::kB;
  if (header.type == SliceType::kB) header.direct_spatial = bits.flag();
  if (inter) {
    const int lists = header.type == SliceType::kB ? 2 : 1;
    for (int list = 0; list < lists; ++list) header.references[list] = pps.references[list];
    if (bits.flag()) {
      for (int list = 0; list < lists; ++list) {
        const std::uint32_t count = bits.ue() + 1;
        if (count == 0 || count > kMaxReferences) return false;
        header.references[list] = static_cast<int>(count);
      }
    }
    for (int list = 0; list < lists; ++list)
      if (!read_modifications(bits, header.modifications[list])) return false;
    if ((pps.weighted_prediction && header.type == SliceType::kP) ||
        (pps.weighted_bi_prediction == 1 && header.type == SliceType::kB))
      read_weights(bits, sps, header);
  }
  if (header.reference_idc != 0 && !read_markings(bits, header)) return false;
  if (pps.cabac && inter) {
    const std::uint32_t init = bits.ue();
    if (init > 2) return false;
    header.cabac_init = static_cast<int>(init) + 1;
  }
  const std::int32_t delta = bits.se();
  if (delta < -128 || delta > 128) return false;
  header.qp = pps.init_qp + delta;
  if (header.qp < -sps.qp_offset() || header.qp > 51) return false;
  if (pps.deblocking_control && bits.ue() != 1) {
    bits.se();  // slice_alpha_c0_offset_div2
    bits.se();  // slice_beta_offset_div2
  }
  header.data = bits.position();
  return !bits.spent();
}

}  // namespace costream::h264
