// Context variables of CABAC: where each syntax element's lie, and their initial values.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "../common/cabac.h"

namespace costream::h265 {

// Index of the first context variable of a syntax element.
enum Context : int {
  kSaoMerge = 0,
  kSaoType = 1,
  kSplitCodingUnit = 2,
  kTransquantBypass = 5,
  kSkip = 6,
  kQpDelta = 9,
  kPredMode = 11,
  kPartMode = 12,
  kPrevIntraLuma = 16,
  kIntraChroma = 17,
  kMergeFlag = 18,
  kMergeIndex = 19,
  kInterPred = 20,
  kReferenceIndex = 25,
  kMvdGreater0 = 27,
  kMvdGreater1 = 28,
  kMvpFlag = 29,
  kRootCbf = 30,
  kSplitTransform = 31,
  kCbfLuma = 34,
  kCbfChroma = 36,
  kTransformSkip = 40,
  kLastX = 42,
  kLastY = 60,
  kCodedSubBlock = 78,
  kSignificant = 82,
  kGreater1 = 124,
  kGreater2 = 148,
  kContexts = 154,
};

using ContextStates = std::array<ContextVariable, kContexts>;

// Values of initValue by initType (tables 9-5 to 9-37); 154 where a type has none.
inline constexpr std::uint8_t kInitValues[3][kContexts] = {
    {
        153,                                               // sao_merge_*_flag
        200,                                               // sao_type_idx_*
        139, 141, 157,                                     // split_cu_flag
        154,                                               // cu_transquant_bypass_flag
        154, 154, 154,                                     // cu_skip_flag
        154, 154,                                          // cu_qp_delta_abs
        154,                                               // pred_mode_flag
        184, 154, 154, 154,                                // part_mode
        184,                                               // prev_intra_luma_pred_flag
        63,                                                // intra_chroma_pred_mode
        154,                                               // merge_flag
        154,                                               // merge_idx
        154, 154, 154, 154, 154,                           // inter_pred_idc
        154, 154,                                          // ref_idx_*
        154, 154,                                          // abs_mvd_greater*_flag
        154,                                               // mvp_*_flag
        154,                                               // rqt_root_cbf
        153, 138, 138,                                     // split_transform_flag
        111, 141,                                          // cbf_luma
        94, 138, 182, 154,                                 // cbf_cb, cbf_cr
        139, 139,                                          // transform_skip_flag
        110, 110, 124, 125, 140, 153, 125, 127, 140,       // last_sig_coeff_x_prefix
        109, 111, 143, 127, 111, 79, 108, 123, 63,         //
        110, 110, 124, 125, 140, 153, 125, 127, 140,       // last_sig_coeff_y_prefix
        109, 111, 143, 127, 111, 79, 108, 123, 63,         //
        91, 171, 134, 141,                                 // coded_sub_block_flag
        111, 111, 125, 110, 110, 94, 124, 108, 124, 107, 125, 141, 179, 153,   // sig_coeff_flag
        125, 107, 125, 141, 179, 153, 125, 107, 125, 141, 179, 153, 125, 140,  //
        139, 182, 182, 152, 136, 152, 136, 153, 136, 139, 111, 136, 139, 111,  //
        140, 92, 137, 138, 140, 152, 138, 139, 153, 74, 149, 92,               // greater1
        139, 107, 122, 152, 140, 179, 166, 182, 140, 227, 122, 197,            //
        138, 153, 136, 167, 152, 152,                                          // greater2
    },
    {
        153,
        185,
        107, 139, 126,
        154,
        197, 185, 201,
        154, 154,
        149,
        154, 139, 154, 154,
        154,
        152,
        110,
        122,
        95, 79, 63, 31, 31,
        153, 153,
        140, 198,
        168,
        79,
        124, 138, 94,
        153, 111,
        149, 107, 167, 154,
        139, 139,
        125, 110, 94, 110, 95, 79, 125, 111, 110,
        78, 110, 111, 111, 95, 94, 108, 123, 108,
        125, 110, 94, 110, 95, 79, 125, 111, 110,
        78, 110, 111, 111, 95, 94, 108, 123, 108,
        121, 140, 61, 154,
        155, 154, 139, 153, 139, 123, 123, 63, 153, 166, 183, 140, 136, 153,
        154, 166, 183, 140, 136, 153, 154, 166, 183, 140, 136, 153, 154, 170,
        153, 123, 123, 107, 121, 107, 121, 167, 151, 183, 140, 151, 183, 140,
        154, 196, 196, 167, 154, 152, 167, 182, 182, 134, 149, 136,
        153, 121, 136, 137, 169, 194, 166, 167, 154, 167, 137, 182,
        107, 167, 91, 122, 107, 167,
    },
    {
        153,
        160,
        107, 139, 126,
        154,
        197, 185, 201,
        154, 154,
        134,
        154, 139, 154, 154,
        183,
        152,
        154,
        137,
        95, 79, 63, 31, 31,
        153, 153,
        169, 198,
        168,
        79,
        224, 167, 122,
        153, 111,
        149, 92, 167, 154,
        139, 139,
        125, 110, 124, 110, 95, 94, 125, 111, 111,
        79, 125, 126, 111, 111, 79, 108, 123, 93,
        125, 110, 124, 110, 95, 94, 125, 111, 111,
        79, 125, 126, 111, 111, 79, 108, 123, 93,
        121, 140, 61, 154,
        170, 154, 139, 153, 139, 123, 123, 63, 124, 166, 183, 140, 136, 153,
        154, 166, 183, 140, 136, 153, 154, 166, 183, 140, 136, 153, 154, 170,
        153, 138, 138, 122, 121, 122, 121, 167, 151, 183, 140, 151, 183, 140,
        154, 196, 167, 167, 154, 152, 167, 182, 182, 134, 149, 136,
        153, 121, 136, 122, 169, 208, 166, 167, 154, 152, 167, 182,
        107, 167, 91, 107, 107, 167,
    },
};

// The states that a slice starts with (9.3.2.2).
inline void initialise(ContextStates& states, int init_type, int slice_qp) {
  const int qp = std::clamp(slice_qp, 0, 51);
  for (int i = 0; i < kContexts; ++i) {
    const int value = kInitValues[init_type][i];
    const int slope = (value >> 4) * 5 - 45, offset = ((value & 15) << 3) - 16;
    states[static_cast<std::size_t>(i)] =
        context_variable(std::clamp(((slope * qp) >> 4) + offset, 1, 126));
  }
}

}  // namespace costream::h265
