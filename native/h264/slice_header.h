// Slice headers (ITU-T H.264, 7.3.3).
#pragma once

#include <cstdint>
#include <vector>

#include "../common/tracker.h"
#include "parameters.h"

namespace costream::h264 {

enum class SliceType : std::uint8_t { kP = 0, kB = 1, kI = 2, kSp = 3, kSi = 4 };

constexpr int kMaxReferences = 32;

struct ListModification {
  std::uint32_t kind;   // modification_of_pic_nums_idc
  std::uint32_t value;  // abs_diff_pic_num_minus1 or long_term_pic_num
};

struct Marking {
  std::uint32_t kind;       // memory_management_control_operation
  std::uint32_t values[2];  // its operands
};

struct SliceHeader {
  bool idr = false;
  int reference_idc = 0;
  std::uint32_t first = 0;  // first_mb_in_slice
  SliceType type = SliceType::kI;
  int pps = 0;
  int frame_num = 0;
  bool field = false, bottom = false;
  std::uint32_t idr_id = 0;
  int poc_lsb = 0;
  std::int32_t delta_poc_bottom = 0;
  std::int32_t delta_poc[2] = {0, 0};
  bool redundant = false;
  bool direct_spatial = false;
  int references[2] = {0, 0};  // num_ref_idx_active
  Weight weights[2][kMaxReferences];  // of luma, explicit ones
  std::vector<ListModification> modifications[2];
  bool long_term = false;  // long_term_reference_flag of an IDR picture
  bool adaptive_marking = false;
  std::vector<Marking> markings;
  int cabac_init = 0;    // cabac_init_idc + 1; 0 in I slices
  int qp = 0;            // SliceQP_Y
  std::size_t data = 0;  // bit where slice_data() begins
};

// Reads what a slice's parameter sets are looked up by: first_mb_in_slice, type, PPS.
bool parse_slice_start(BitReader& bits, SliceHeader& header);
// Reads the rest. SP and SI slices, slice groups and 4:4:4 have been sorted out before.
bool parse_slice_rest(BitReader& bits, const Sps& sps, const Pps& pps, SliceHeader& header);

}  // namespace costream::h264
