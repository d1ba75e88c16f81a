// Slice segment headers (ITU-T H.265, 7.3.6).
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "../common/tracker.h"
#include "parameter_sets.h"

namespace costream::h265 {

enum class SliceType : std::uint8_t { kB = 0, kP = 1, kI = 2 };

// NAL unit types that the reader distinguishes (table 7-1).
enum NalType : int {
  kRadlN = 6,
  kRadlR = 7,
  kRaslN = 8,
  kRaslR = 9,
  kLastSubLayerPicture = 15,  // up to it, even types are sub-layer non-reference pictures
  kBlaWLp = 16,
  kBlaNLp = 18,
  kIdrWRadl = 19,
  kIdrNLp = 20,
  kCra = 21,
  kLastIrap = 23,
  kLastSlice = 31,
  kSps = 33,
  kPps = 34,
  kEndOfSequence = 36,
  kEndOfBitstream = 37,
};

inline bool is_irap(int type) { return type >= kBlaWLp && type <= kLastIrap; }
inline bool is_sub_layer_reference(int type) {
  return type > kLastSubLayerPicture || (type & 1) != 0;
}
inline bool is_idr(int type) { return type == kIdrWRadl || type == kIdrNLp; }

struct LongTermReference {
  std::int32_t lsb = 0;  // of the picture order count
  bool has_msb = false;
  std::uint32_t msb_cycle = 0;  // DeltaPocMsbCycleLt
  bool used = false;            // by the current picture
};

struct SliceHeader {
  bool first = false;  // of the picture
  bool dependent = false;
  int pps = 0;
  std::int32_t address = 0;        // of its first coding tree block, in raster scan
  std::int32_t slice_address = 0;  // SliceAddrRs: of the first one of the slice that it's part of

  SliceType type = SliceType::kI;
  std::int32_t poc_lsb = 0;
  ShortTermSet short_term;
  int long_term_count = 0;
  std::array<LongTermReference, 33> long_term{};
  bool temporal_mvp = false;
  bool sao_luma = false, sao_chroma = false;
  int active[2] = {0, 0};
  bool modified[2] = {false, false};
  std::array<std::uint8_t, 16> list_entry[2] = {};
  bool mvd_l1_zero = false;
  std::array<Weight, 16> weights[2];  // of luma, explicit ones
  bool cabac_init = false;
  int collocated_list = 0, collocated_index = 0;
  int max_merge = 5;
  int qp = 26;

  std::size_t data = 0;  // first byte of slice_segment_data()
};

// The parameter sets in force, by id.
struct ParameterSets {
  std::array<std::shared_ptr<const SequenceParameters>, 16> sps;
  std::array<std::shared_ptr<const PictureParameters>, 64> pps;
};

// Reads the header behind the NAL unit's own two bytes. `header` holds the picture's previous one,
// from which a dependent slice segment inherits. Returns the reason why it can't be read, or an
// empty string.
std::string parse_slice_header(BitReader& bits, int nal_type, const ParameterSets& sets,
                               SliceHeader& header);

}  // namespace costream::h265
