#include "slice_header.h"

#include <algorithm>

namespace costream::h265 {

namespace {

int ceil_log2(std::uint32_t value) {
  int bits = 0;
  while ((std::uint64_t{1} << bits) < value) ++bits;
  return bits;
}

bool parse_long_term(BitReader& bits, const SequenceParameters& sps, SliceHeader& header) {
  const auto known = static_cast<std::uint32_t>(sps.long_term.size());
  const std::uint32_t from_sps = known > 0 ? bits.ue() : 0, own = bits.ue();
  if (from_sps > 32 || own > 32 || from_sps + own > 32) return false;
  header.long_term_count = static_cast<int>(from_sps + own);
  for (std::uint32_t i = 0; i < from_sps + own; ++i) {
    LongTermReference& entry = header.long_term[i];
    if (i < from_sps) {
      const std::uint32_t index = known > 1 ? bits.read(ceil_log2(known)) : 0;
      if (index >= known) return false;
      entry.lsb = static_cast<std::int32_t>(sps.long_term[index].poc_lsb);
      entry.used = sps.long_term[index].used;
    } else {
      entry.lsb = static_cast<std::int32_t>(bits.read(sps.log2_max_poc_lsb));
      entry.used = bits.flag();
    }
    entry.has_msb = bits.flag();
    entry.msb_cycle = entry.has_msb ? bits.ue() : 0;
    if (i != 0 && i != from_sps) entry.msb_cycle += header.long_term[i - 1].msb_cycle;
  }
  return true;
}

bool read_weights(BitReader& bits, const SequenceParameters& sps, SliceHeader& header) {
  const bool chroma = sps.chroma_format != 0;
  const std::uint32_t denominator = bits.ue();
  if (denominator > 7) return false;
  if (chroma) bits.se();
  for (int list = 0; list < (header.type == SliceType::kB ? 2 : 1); ++list) {
    bool luma_flag[16] = {}, chroma_flag[16] = {};
    for (int i = 0; i < header.active[list]; ++i) luma_flag[i] = bits.flag();
    for (int i = 0; chroma && i < header.active[list]; ++i) chroma_flag[i] = bits.flag();
    for (int i = 0; i < header.active[list]; ++i) {
      Weight& weight = header.weights[list][static_cast<std::size_t>(i)];
      if (luma_flag[i]) {
        weight.scale = 1 + static_cast<float>(bits.se()) / static_cast<float>(1u << denominator);
        weight.offset = static_cast<float>(bits.se());
      }
      for (int j = 0; j < (chroma_flag[i] ? 4 : 0); ++j) bits.se();
    }
  }
  return !bits.spent();
}

}  // namespace

std::string parse_slice_header(BitReader& bits, int nal_type, const ParameterSets& sets,
                               SliceHeader& header) {
  const std::string damaged = "damaged";
  const bool first = bits.flag();
  if (is_irap(nal_type)) bits.flag();
  const std::uint32_t id = bits.ue();
  if (id > 63) return damaged;
  const PictureParameters* pps = sets.pps[id].get();
  if (pps == nullptr) return "missing parameter sets";
  const SequenceParameters* sps = sets.sps[static_cast<std::size_t>(pps->sequence)].get();
  if (sps == nullptr) return "missing parameter sets";
  if (!sps->unsupported.empty()) return sps->unsupported;
  if (!pps->unsupported.empty()) return pps->unsupported;

  const auto blocks = static_cast<std::uint32_t>(sps->columns * sps->rows);
  bool dependent = false;
  std::uint32_t address = 0;
  if (!first) {
    dependent = pps->dependent_slices && bits.flag();
    address = bits.read(ceil_log2(blocks));
    if (address == 0 || address >= blocks) return damaged;
  }

  if (!dependent) {
    header = SliceHeader{};
    header.slice_address = static_cast<std::int32_t>(address);
  }
  header.first = first;
  header.dependent = dependent;
  header.pps = static_cast<int>(id);
  header.address = static_cast<std::int32_t>(address);

  if (!dependent) {
    bits.read(pps->extra_header_bits);
    const std::uint32_t type = bits.ue();
    if (type > 2) return damaged;
    header.type = static_cast<SliceType>(type);
    if (pps->output_flag_present) bits.flag();
    if (!is_idr(nal_type)) {
      header.poc_lsb = static_cast<std::int32_t>(bits.read(sps->log2_max_poc_lsb));
      const auto count = static_cast<std::uint32_t>(sps->short_term_sets.size());
      if (!bits.flag()) {
        if (!parse_short_term_set(bits, static_cast<int>(count), sps->short_term_sets, true,
                                  header.short_term))
          return damaged;
      } else {
        const std::uint32_t index = count > 1 ? bits.read(ceil_log2(count)) : 0;
        if (index >= count) return damaged;
        header.short_term = sps->short_term_sets[index];
      }
      if (sps->long_term_present && !parse_long_term(bits, *sps, header)) return damaged;
      if (sps->temporal_mvp) header.temporal_mvp = bits.flag();
    }
    if (sps->sao) {
      header.sao_luma = bits.flag();
      header.sao_chroma = sps->chroma_format != 0 && bits.flag();
    }

    if (header.type != SliceType::kI) {
      const int lists = header.type == SliceType::kB ? 2 : 1;
      const bool override = bits.flag();
      for (int list = 0; list < lists; ++list) {
        const std::uint32_t active = override ? bits.ue() : 0;
        if (active > 14) return damaged;
        header.active[list] = override ? static_cast<int>(active) + 1 : pps->default_active[list];
      }
      std::uint32_t total = 0;
      for (int i = 0; i < header.short_term.negative; ++i)
        total += header.short_term.before[static_cast<std::size_t>(i)].used ? 1 : 0;
      for (int i = 0; i < header.short_term.positive; ++i)
        total += header.short_term.after[static_cast<std::size_t>(i)].used ? 1 : 0;
      for (int i = 0; i < header.long_term_count; ++i)
        total += header.long_term[static_cast<std::size_t>(i)].used ? 1 : 0;
      if (pps->lists_modification_present && total > 1) {
        for (int list = 0; list < lists; ++list) {
          header.modified[list] = bits.flag();
          for (int i = 0; header.modified[list] && i < header.active[list]; ++i) {
            const std::uint32_t entry = bits.read(ceil_log2(total));
            if (entry >= total) return damaged;
            header.list_entry[list][static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(entry);
          }
        }
      }
      if (header.type == SliceType::kB) header.mvd_l1_zero = bits.flag();
      if (pps->cabac_init_present) header.cabac_init = bits.flag();
      if (header.temporal_mvp) {
        if (header.type == SliceType::kB) header.collocated_list = bits.flag() ? 0 : 1;
        if (header.active[header.collocated_list] > 1) {
          const std::uint32_t index = bits.ue();
          if (index >= static_cast<std::uint32_t>(header.active[header.collocated_list]))
            return damaged;
          header.collocated_index = static_cast<int>(index);
        }
      }
      for (auto& list : header.weights) list.fill({});
      if ((pps->weighted_pred && header.type == SliceType::kP) ||
          (pps->weighted_bipred && header.type == SliceType::kB)) {
        if (!read_weights(bits, *sps, header)) return damaged;
      }
      const std::uint32_t fewer = bits.ue();
      if (fewer > 4) return damaged;
      header.max_merge = 5 - static_cast<int>(fewer);
    }

    const std::int32_t qp_delta = bits.se();
    if (qp_delta < -128 || qp_delta > 128) return damaged;
    header.qp = pps->init_qp + qp_delta;
    if (header.qp < -sps->qp_offset() || header.qp > 51) return damaged;
    if (pps->chroma_qp_offsets_present) {
      bits.se();
      bits.se();
    }
    bool deblocking_disabled = pps->deblocking_disabled;
    if (pps->deblocking_override && bits.flag()) {
      deblocking_disabled = bits.flag();
      if (!deblocking_disabled) {
        bits.se();
        bits.se();
      }
    }
    if (pps->loop_filter_across_slices &&
        (header.sao_luma || header.sao_chroma || !deblocking_disabled))
      bits.flag();
  }

  // Entry points aren't needed: each of the substreams begins where the one before ends.
  if (pps->tiles || pps->wavefront) {
    const std::uint32_t entries = bits.ue();
    if (entries > blocks) return damaged;
    if (entries > 0) {
      const std::uint32_t length = bits.ue() + 1;
      if (length > 32) return damaged;
      bits.seek(bits.position() + std::size_t{entries} * length);
    }
  }
  if (pps->header_extension_present) {
    const std::uint32_t length = bits.ue();
    if (length > 256) return damaged;
    bits.seek(bits.position() + std::size_t{length} * 8);
  }
  if (!bits.flag()) return damaged;  // alignment_bit_equal_to_one
  if (bits.spent()) return damaged;
  header.data = (bits.position() + 7) / 8;
  return {};
}

}  // namespace costream::h265
