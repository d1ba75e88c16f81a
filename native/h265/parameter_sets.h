// Sequence and picture parameter sets (ITU-T H.265, 7.3.2).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "../common/bits.h"

namespace costream::h265 {

// Pictures that a short-term reference picture set names (7.4.8), nearest first.
struct ShortTermSet {
  struct Entry {
    std::int32_t delta = 0;  // of the picture order count
    bool used = false;       // by the current picture
  };
  int negative = 0, positive = 0;  // counts: before and after the current picture
  std::array<Entry, 16> before{}, after{};
};

// Reads st_ref_pic_set(index); false where it breaks the standard's limits.
bool parse_short_term_set(BitReader& bits, int index, const std::vector<ShortTermSet>& sets,
                          bool in_slice_header, ShortTermSet& out);

// Scaling factors of luma: by sizeId and prediction (intra, inter), in raster order. Transform
// blocks of 16x16 and 32x32 repeat those of 8x8 apart from the first one.
struct ScalingLists {
  std::array<std::array<std::array<std::uint8_t, 64>, 2>, 4> factors{};
  std::array<std::array<std::uint8_t, 2>, 4> dc{};
};

struct SequenceParameters {
  std::string unsupported;  // a feature that isn't read; empty where all are

  int id = 0;
  int max_sub_layers = 1;
  int chroma_format = 1;
  int width = 0, height = 0;                                         // coded, luma samples
  int crop_left = 0, crop_right = 0, crop_top = 0, crop_bottom = 0;  // luma samples
  int bit_depth_luma = 8, bit_depth_chroma = 8;
  int log2_max_poc_lsb = 4;
  int log2_min_cb = 3, log2_ctb = 4;
  int log2_min_tb = 2, log2_max_tb = 5;
  int max_depth_inter = 0, max_depth_intra = 0;
  bool scaling_lists_enabled = false;
  ScalingLists scaling_lists;
  bool amp = false;
  bool sao = false;
  bool pcm = false;
  int pcm_bits_luma = 8, pcm_bits_chroma = 8;
  int log2_min_pcm = 3, log2_max_pcm = 3;
  std::vector<ShortTermSet> short_term_sets;
  bool long_term_present = false;
  struct LongTerm {
    std::uint32_t poc_lsb = 0;
    bool used = false;
  };
  std::vector<LongTerm> long_term;
  bool temporal_mvp = false;
  bool field_sequence = false;

  int columns = 0, rows = 0;  // in coding tree blocks
  int qp_offset() const { return 6 * (bit_depth_luma - 8); }
};

struct PictureParameters {
  std::string unsupported;

  int id = 0, sequence = 0;
  bool dependent_slices = false;
  bool output_flag_present = false;
  int extra_header_bits = 0;
  bool sign_hiding = false;
  bool cabac_init_present = false;
  int default_active[2] = {1, 1};
  int init_qp = 26;
  bool transform_skip = false;
  bool qp_delta = false;
  int qp_delta_depth = 0;
  bool chroma_qp_offsets_present = false;
  bool weighted_pred = false, weighted_bipred = false;
  bool transquant_bypass = false;
  bool tiles = false;
  bool wavefront = false;
  int tile_columns = 1, tile_rows = 1;
  bool uniform_tiles = true;
  std::vector<int> tile_widths, tile_heights;  // all but the last; where they aren't uniform
  bool loop_filter_across_slices = false;
  bool deblocking_override = false;
  bool deblocking_disabled = false;
  bool scaling_lists_present = false;
  ScalingLists scaling_lists;
  bool lists_modification_present = false;
  int log2_parallel_merge = 2;
  bool header_extension_present = false;
};

// From a NAL unit's payload, header and emulation prevention bytes removed. Null where it is
// damaged. `number` is set as soon as it is known.
std::shared_ptr<const SequenceParameters> parse_sequence_parameters(BitReader bits, int& number);
std::shared_ptr<const PictureParameters> parse_picture_parameters(BitReader bits, int& number);

// Where the coding tree blocks of a picture lie, by its tiles (6.5.1).
struct TileLayout {
  std::vector<std::int32_t> raster;  // address in raster scan of each in tile scan
  std::vector<std::int32_t> scan;    // the inverse
  std::vector<std::int16_t> tile;    // of each in raster scan
  std::vector<std::int32_t> left;    // first column of its tile, by raster address
};

// False where the tiles don't fit into the picture.
bool make_tile_layout(const SequenceParameters& sps, const PictureParameters& pps,
                      TileLayout& layout);

}  // namespace costream::h265
