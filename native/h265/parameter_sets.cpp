#include "parameter_sets.h"

#include <algorithm>
#include <numeric>

#include "scan.h"

namespace costream::h265 {

namespace {

// Level 6.2 allows 35,651,584 luma samples. Larger pictures aren't read.
constexpr std::int64_t kMaxSamples = 35651584;
constexpr int kMaxSide = 16888;  // sqrt(8 * MaxLumaPs)

// Default factors of 8x8 blocks (table 7-6), in the order of the up-right diagonal scan.
constexpr std::uint8_t kDefaultFactors[2][64] = {
    {16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 17, 16, 17, 16, 17, 18, 17, 18, 18, 17, 18, 21,
     19, 20, 21, 20, 19, 21, 24, 22, 22, 24, 24, 22, 22, 24, 25, 25, 27, 30, 27, 25, 25, 29,
     31, 35, 35, 31, 29, 36, 41, 44, 41, 36, 47, 54, 54, 47, 65, 70, 65, 88, 88, 115},
    {16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 17, 17, 17, 17, 17, 18, 18, 18, 18, 18, 18, 20,
     20, 20, 20, 20, 20, 20, 24, 24, 24, 24, 24, 24, 24, 24, 25, 25, 25, 25, 25, 25, 25, 28,
     28, 28, 28, 28, 28, 33, 33, 33, 33, 33, 41, 41, 41, 41, 54, 54, 54, 71, 71, 91},
};

// All lists of scaling_list_data(), in scan order: by sizeId and matrixId.
struct CodedLists {
  std::uint8_t factor[4][6][64];
  std::uint8_t dc[4][6];

  void set_default(int size, int matrix) {
    for (int i = 0; i < 64; ++i)
      factor[size][matrix][i] = size == 0 ? 16 : kDefaultFactors[matrix / 3][i];
    dc[size][matrix] = 16;
  }
};

ScalingLists raster(const CodedLists& coded) {
  ScalingLists lists;
  for (std::size_t size = 0; size < 4; ++size) {
    for (std::size_t inter = 0; inter < 2; ++inter) {
      const std::uint8_t* factor = coded.factor[size][inter * 3];
      const std::size_t side = size == 0 ? 4 : 8;
      const std::uint8_t* order = size == 0 ? kScan.position[0] : kScan.diagonal8;
      for (std::size_t i = 0; i < side * side; ++i)
        lists.factors[size][inter][order[i]] = factor[i];
      lists.dc[size][inter] = size < 2 ? factor[0] : coded.dc[size][inter * 3];
    }
  }
  return lists;
}

ScalingLists default_lists() {
  CodedLists coded;
  for (int size = 0; size < 4; ++size)
    for (int matrix = 0; matrix < 6; ++matrix) coded.set_default(size, matrix);
  return raster(coded);
}

bool parse_scaling_lists(BitReader& bits, ScalingLists& out) {
  CodedLists coded;
  for (int size = 0; size < 4; ++size) {
    const int step = size == 3 ? 3 : 1;
    for (int matrix = 0; matrix < 6; matrix += step) {
      if (!bits.flag()) {
        const std::uint32_t delta = bits.ue();
        if (delta > static_cast<std::uint32_t>(matrix / step)) return false;
        if (delta == 0) {
          coded.set_default(size, matrix);
        } else {
          const int from = matrix - static_cast<int>(delta) * step;
          std::copy_n(coded.factor[size][from], 64, coded.factor[size][matrix]);
          coded.dc[size][matrix] = coded.dc[size][from];
        }
        continue;
      }
      int next = 8;
      if (size > 1) {
        const std::int32_t dc = bits.se();
        if (dc < -7 || dc > 247) return false;
        next = dc + 8;
      }
      coded.dc[size][matrix] = static_cast<std::uint8_t>(size > 1 ? next : 16);
      for (int i = 0; i < (size == 0 ? 16 : 64); ++i) {
        const std::int32_t delta = bits.se();
        if (delta < -128 || delta > 127) return false;
        next = (next + delta + 256) & 255;
        coded.factor[size][matrix][i] = static_cast<std::uint8_t>(next);
      }
    }
  }
  out = raster(coded);
  return !bits.spent();
}

void skip(BitReader& bits, int count) {
  bits.seek(bits.position() + static_cast<std::size_t>(count));
}

void skip_profile_tier_level(BitReader& bits, int max_sub_layers) {
  skip(bits, 96);
  if (max_sub_layers == 1) return;
  bool profile[8] = {}, level[8] = {};
  for (int i = 0; i < max_sub_layers - 1; ++i) {
    profile[i] = bits.flag();
    level[i] = bits.flag();
  }
  skip(bits, 2 * (9 - max_sub_layers));
  for (int i = 0; i < max_sub_layers - 1; ++i)
    skip(bits, (profile[i] ? 88 : 0) + (level[i] ? 8 : 0));
}

bool skip_hrd(BitReader& bits, int max_sub_layers) {
  const bool nal = bits.flag(), vcl = bits.flag();
  bool sub_pictures = false;
  if (nal || vcl) {
    sub_pictures = bits.flag();
    if (sub_pictures) skip(bits, 19);
    skip(bits, 8);
    if (sub_pictures) skip(bits, 4);
    skip(bits, 15);
  }
  for (int i = 0; i < max_sub_layers; ++i) {
    const bool fixed_general = bits.flag();
    const bool fixed = fixed_general || bits.flag();
    bool low_delay = false;
    std::uint32_t count = 1;
    if (fixed) {
      bits.ue();
    } else {
      low_delay = bits.flag();
    }
    if (!low_delay) count = bits.ue() + 1;
    if (count > 32 || bits.spent()) return false;
    for (std::uint32_t j = 0; j < count * ((nal ? 1 : 0) + (vcl ? 1 : 0)); ++j) {
      bits.ue();
      bits.ue();
      if (sub_pictures) {
        bits.ue();
        bits.ue();
      }
      bits.flag();
    }
  }
  return !bits.spent();
}

bool parse_vui(BitReader& bits, SequenceParameters& sps) {
  if (bits.flag() && bits.read(8) == 255) skip(bits, 32);  // aspect ratio
  if (bits.flag()) skip(bits, 1);                          // overscan
  if (bits.flag()) {                                       // video signal type
    skip(bits, 4);
    if (bits.flag()) skip(bits, 24);
  }
  if (bits.flag()) {  // chroma sample location
    bits.ue();
    bits.ue();
  }
  skip(bits, 1);
  sps.field_sequence = bits.flag();
  skip(bits, 1);
  if (bits.flag())  // default display window
    for (int i = 0; i < 4; ++i) bits.ue();
  if (bits.flag()) {  // timing
    skip(bits, 64);
    if (bits.flag()) bits.ue();
    if (bits.flag() && !skip_hrd(bits, sps.max_sub_layers)) return false;
  }
  if (bits.flag()) {  // bitstream restriction
    skip(bits, 3);
    for (int i = 0; i < 5; ++i) bits.ue();
  }
  return !bits.spent();
}

std::string chroma_name(int format) { return format == 2 ? "4:2:2 chroma" : "4:4:4 chroma"; }

}  // namespace

bool parse_short_term_set(BitReader& bits, int index, const std::vector<ShortTermSet>& sets,
                          bool in_slice_header, ShortTermSet& out) {
  out = ShortTermSet{};
  if (index != 0 && bits.flag()) {  // predicted from another set
    const std::uint32_t back = in_slice_header ? bits.ue() + 1 : 1;
    if (back > static_cast<std::uint32_t>(index)) return false;
    const ShortTermSet& from = sets[static_cast<std::size_t>(index) - back];
    const bool sign = bits.flag();
    const std::uint32_t size = bits.ue() + 1;
    if (size > 1u << 15) return false;
    const std::int32_t shift =
        sign ? -static_cast<std::int32_t>(size) : static_cast<std::int32_t>(size);

    bool used[33], keep[33];
    const int count = from.negative + from.positive;
    for (int i = 0; i <= count; ++i) {
      used[i] = bits.flag();
      keep[i] = used[i] || bits.flag();
    }
    // The flags' order: the negative ones, the positive ones, the other set's own picture.
    const auto add = [&](ShortTermSet::Entry* entries, int& number, std::int32_t delta, int flag,
                         bool negative) {
      if (delta == 0 || (delta < 0) != negative || !keep[flag]) return true;
      if (number == 16) return false;
      entries[number++] = {delta, used[flag]};
      return true;
    };
    bool fits = true;
    for (int i = from.positive - 1; i >= 0; --i)
      fits &= add(out.before.data(), out.negative,
                  from.after[static_cast<std::size_t>(i)].delta + shift, from.negative + i, true);
    fits &= add(out.before.data(), out.negative, shift, count, true);
    for (int i = 0; i < from.negative; ++i)
      fits &= add(out.before.data(), out.negative,
                  from.before[static_cast<std::size_t>(i)].delta + shift, i, true);
    for (int i = from.negative - 1; i >= 0; --i)
      fits &= add(out.after.data(), out.positive,
                  from.before[static_cast<std::size_t>(i)].delta + shift, i, false);
    fits &= add(out.after.data(), out.positive, shift, count, false);
    for (int i = 0; i < from.positive; ++i)
      fits &= add(out.after.data(), out.positive,
                  from.after[static_cast<std::size_t>(i)].delta + shift, from.negative + i, false);
    return fits && out.negative + out.positive <= 16 && !bits.spent();
  }

  const std::uint32_t negative = bits.ue(), positive = bits.ue();
  if (negative > 16 || positive > 16 || negative + positive > 16) return false;
  out.negative = static_cast<int>(negative);
  out.positive = static_cast<int>(positive);
  for (int side = 0; side < 2; ++side) {
    auto& entries = side == 0 ? out.before : out.after;
    std::int32_t delta = 0;
    for (std::uint32_t i = 0; i < (side == 0 ? negative : positive); ++i) {
      const std::uint32_t step = bits.ue() + 1;
      if (step > 1u << 15) return false;
      delta += side == 0 ? -static_cast<std::int32_t>(step) : static_cast<std::int32_t>(step);
      entries[i] = {delta, bits.flag()};
    }
  }
  return !bits.spent();
}

std::shared_ptr<const SequenceParameters> parse_sequence_parameters(BitReader bits, int& number) {
  auto made = std::make_shared<SequenceParameters>();
  SequenceParameters& sps = *made;

  skip(bits, 4);
  sps.max_sub_layers = static_cast<int>(bits.read(3)) + 1;
  if (sps.max_sub_layers > 7) return nullptr;
  skip(bits, 1);
  skip_profile_tier_level(bits, sps.max_sub_layers);
  const std::uint32_t id = bits.ue(), chroma = bits.ue();
  if (id > 15 || chroma > 3) return nullptr;
  sps.id = number = static_cast<int>(id);
  sps.chroma_format = static_cast<int>(chroma);
  if (chroma == 3 && bits.flag()) sps.unsupported = "separate colour planes";
  if (chroma > 1 && sps.unsupported.empty()) sps.unsupported = chroma_name(sps.chroma_format);

  const std::uint32_t width = bits.ue(), height = bits.ue();
  if (width == 0 || height == 0) return nullptr;
  if (width > kMaxSide || height > kMaxSide || std::int64_t{width} * height > kMaxSamples)
    return nullptr;
  sps.width = static_cast<int>(width);
  sps.height = static_cast<int>(height);
  if (bits.flag()) {
    const std::uint32_t unit_x = chroma == 1 || chroma == 2 ? 2 : 1, unit_y = chroma == 1 ? 2 : 1;
    std::uint32_t crop[4];
    for (std::uint32_t& side : crop) {
      side = bits.ue();
      if (side > kMaxSide) return nullptr;
    }
    if ((crop[0] + crop[1]) * unit_x >= width || (crop[2] + crop[3]) * unit_y >= height)
      return nullptr;
    sps.crop_left = static_cast<int>(crop[0] * unit_x);
    sps.crop_right = static_cast<int>(crop[1] * unit_x);
    sps.crop_top = static_cast<int>(crop[2] * unit_y);
    sps.crop_bottom = static_cast<int>(crop[3] * unit_y);
  }
  const std::uint32_t depth_luma = bits.ue(), depth_chroma = bits.ue(), poc_bits = bits.ue();
  if (depth_luma > 8 || depth_chroma > 8 || poc_bits > 12) return nullptr;
  sps.bit_depth_luma = static_cast<int>(depth_luma) + 8;
  sps.bit_depth_chroma = static_cast<int>(depth_chroma) + 8;
  sps.log2_max_poc_lsb = static_cast<int>(poc_bits) + 4;
  for (int i = bits.flag() ? 0 : sps.max_sub_layers - 1; i < sps.max_sub_layers; ++i)
    for (int j = 0; j < 3; ++j) bits.ue();

  const std::uint32_t min_cb = bits.ue(), diff_cb = bits.ue(), min_tb = bits.ue(),
                      diff_tb = bits.ue();
  if (min_cb > 3 || diff_cb > 3 || min_tb > 3 || diff_tb > 3) return nullptr;
  sps.log2_min_cb = static_cast<int>(min_cb) + 3;
  sps.log2_ctb = sps.log2_min_cb + static_cast<int>(diff_cb);
  sps.log2_min_tb = static_cast<int>(min_tb) + 2;
  sps.log2_max_tb = sps.log2_min_tb + static_cast<int>(diff_tb);
  if (sps.log2_ctb < 4 || sps.log2_ctb > 6 || sps.log2_max_tb > std::min(5, sps.log2_ctb) ||
      sps.log2_min_tb >= sps.log2_min_cb)
    return nullptr;
  const int unit = (1 << sps.log2_min_cb) - 1;
  if ((sps.width & unit) != 0 || (sps.height & unit) != 0) return nullptr;
  sps.columns = (sps.width + (1 << sps.log2_ctb) - 1) >> sps.log2_ctb;
  sps.rows = (sps.height + (1 << sps.log2_ctb) - 1) >> sps.log2_ctb;
  const std::uint32_t depth_inter = bits.ue(), depth_intra = bits.ue();
  if (depth_inter > 4 || depth_intra > 4) return nullptr;
  sps.max_depth_inter = static_cast<int>(depth_inter);
  sps.max_depth_intra = static_cast<int>(depth_intra);

  sps.scaling_lists_enabled = bits.flag();
  if (sps.scaling_lists_enabled) {
    if (!bits.flag()) {
      sps.scaling_lists = default_lists();
    } else if (!parse_scaling_lists(bits, sps.scaling_lists)) {
      return nullptr;
    }
  }
  sps.amp = bits.flag();
  sps.sao = bits.flag();
  sps.pcm = bits.flag();
  if (sps.pcm) {
    sps.pcm_bits_luma = static_cast<int>(bits.read(4)) + 1;
    sps.pcm_bits_chroma = static_cast<int>(bits.read(4)) + 1;
    const std::uint32_t min_pcm = bits.ue(), diff_pcm = bits.ue();
    if (min_pcm > 2 || diff_pcm > 2) return nullptr;
    sps.log2_min_pcm = static_cast<int>(min_pcm) + 3;
    sps.log2_max_pcm = sps.log2_min_pcm + static_cast<int>(diff_pcm);
    if (sps.log2_min_pcm < sps.log2_min_cb || sps.log2_max_pcm > std::min(5, sps.log2_ctb))
      return nullptr;
    skip(bits, 1);
  }

  const std::uint32_t sets = bits.ue();
  if (sets > 64) return nullptr;
  for (std::uint32_t i = 0; i < sets; ++i) {
    ShortTermSet set;
    if (!parse_short_term_set(bits, static_cast<int>(i), sps.short_term_sets, false, set))
      return nullptr;
    sps.short_term_sets.push_back(set);
  }
  sps.long_term_present = bits.flag();
  if (sps.long_term_present) {
    const std::uint32_t count = bits.ue();
    if (count > 32) return nullptr;
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::uint32_t lsb = bits.read(sps.log2_max_poc_lsb);
      sps.long_term.push_back({lsb, bits.flag()});
    }
  }
  sps.temporal_mvp = bits.flag();
  skip(bits, 1);
  if (bits.flag() && !parse_vui(bits, sps)) return nullptr;
  if (bits.flag()) {
    const bool range = bits.flag(), multilayer = bits.flag(), depth = bits.flag(),
               screen = bits.flag();
    skip(bits, 4);
    // The flags of the range extensions that change no syntax or context don't matter.
    if (range && bits.read(9) != 0 && sps.unsupported.empty()) sps.unsupported = "range extensions";
    if (multilayer) skip(bits, 1);
    if (depth && sps.unsupported.empty()) sps.unsupported = "3D extensions";
    if (screen && sps.unsupported.empty()) sps.unsupported = "screen content coding";
  }
  return bits.spent() ? nullptr : made;
}

std::shared_ptr<const PictureParameters> parse_picture_parameters(BitReader bits, int& number) {
  auto made = std::make_shared<PictureParameters>();
  PictureParameters& pps = *made;

  const std::uint32_t id = bits.ue(), sequence = bits.ue();
  if (id > 63 || sequence > 15) return nullptr;
  pps.id = number = static_cast<int>(id);
  pps.sequence = static_cast<int>(sequence);
  pps.dependent_slices = bits.flag();
  pps.output_flag_present = bits.flag();
  pps.extra_header_bits = static_cast<int>(bits.read(3));
  pps.sign_hiding = bits.flag();
  pps.cabac_init_present = bits.flag();
  for (int& active : pps.default_active) {
    const std::uint32_t count = bits.ue();
    if (count > 14) return nullptr;
    active = static_cast<int>(count) + 1;
  }
  const std::int32_t init_qp = bits.se();
  if (init_qp < -(26 + 48) || init_qp > 25) return nullptr;
  pps.init_qp = 26 + init_qp;
  skip(bits, 1);
  pps.transform_skip = bits.flag();
  pps.qp_delta = bits.flag();
  if (pps.qp_delta) {
    const std::uint32_t depth = bits.ue();
    if (depth > 3) return nullptr;
    pps.qp_delta_depth = static_cast<int>(depth);
  }
  bits.se();
  bits.se();
  pps.chroma_qp_offsets_present = bits.flag();
  pps.weighted_pred = bits.flag();
  pps.weighted_bipred = bits.flag();
  pps.transquant_bypass = bits.flag();
  pps.tiles = bits.flag();
  pps.wavefront = bits.flag();
  if (pps.tiles) {
    const std::uint32_t columns = bits.ue(), rows = bits.ue();
    if (columns > 19 || rows > 21) return nullptr;
    pps.tile_columns = static_cast<int>(columns) + 1;
    pps.tile_rows = static_cast<int>(rows) + 1;
    pps.uniform_tiles = bits.flag();
    if (!pps.uniform_tiles) {
      for (int side = 0; side < 2; ++side) {
        for (std::uint32_t i = 0; i < (side == 0 ? columns : rows); ++i) {
          const std::uint32_t size = bits.ue();
          if (size > kMaxSide) return nullptr;
          (side == 0 ? pps.tile_widths : pps.tile_heights).push_back(static_cast<int>(size) + 1);
        }
      }
    }
    skip(bits, 1);
  }
  pps.loop_filter_across_slices = bits.flag();
  if (bits.flag()) {
    pps.deblocking_override = bits.flag();
    pps.deblocking_disabled = bits.flag();
    if (!pps.deblocking_disabled) {
      bits.se();
      bits.se();
    }
  }
  pps.scaling_lists_present = bits.flag();
  if (pps.scaling_lists_present && !parse_scaling_lists(bits, pps.scaling_lists)) return nullptr;
  pps.lists_modification_present = bits.flag();
  const std::uint32_t parallel_merge = bits.ue();
  if (parallel_merge > 4) return nullptr;
  pps.log2_parallel_merge = static_cast<int>(parallel_merge) + 2;
  pps.header_extension_present = bits.flag();
  if (bits.flag()) {
    const bool range = bits.flag(), multilayer = bits.flag(), depth = bits.flag(),
               screen = bits.flag();
    skip(bits, 4);
    if (range) {
      const std::uint32_t transform_skip_size = pps.transform_skip ? bits.ue() : 0;
      const bool cross_component = bits.flag(), chroma_offsets = bits.flag();
      if (transform_skip_size != 0 || cross_component || chroma_offsets)
        pps.unsupported = "range extensions";
    }
    if (multilayer) pps.unsupported = "multilayer extensions";
    if (depth) pps.unsupported = "3D extensions";
    if (screen) pps.unsupported = "screen content coding";
  }
  return bits.spent() ? nullptr : made;
}

bool make_tile_layout(const SequenceParameters& sps, const PictureParameters& pps,
                      TileLayout& layout) {
  // First column (row) of each tile, and the end.
  const auto bounds = [&](int tiles, int blocks, const std::vector<int>& sizes) {
    std::vector<int> bound(static_cast<std::size_t>(tiles) + 1, 0);
    for (int i = 1; i < tiles; ++i)
      bound[static_cast<std::size_t>(i)] =
          pps.uniform_tiles
              ? i * blocks / tiles
              : bound[static_cast<std::size_t>(i) - 1] + sizes[static_cast<std::size_t>(i) - 1];
    bound.back() = blocks;
    return bound;
  };
  const std::vector<int> x = bounds(pps.tile_columns, sps.columns, pps.tile_widths);
  const std::vector<int> y = bounds(pps.tile_rows, sps.rows, pps.tile_heights);
  for (const std::vector<int>* bound : {&x, &y})
    for (std::size_t i = 1; i < bound->size(); ++i)
      if ((*bound)[i] <= (*bound)[i - 1]) return false;

  const auto count = static_cast<std::size_t>(sps.columns) * static_cast<std::size_t>(sps.rows);
  layout.raster.assign(count, 0);
  layout.scan.assign(count, 0);
  layout.tile.assign(count, 0);
  layout.left.assign(count, 0);
  std::size_t next = 0;
  for (int row = 0; row < pps.tile_rows; ++row) {
    for (int column = 0; column < pps.tile_columns; ++column) {
      const int left = x[static_cast<std::size_t>(column)];
      const int right = x[static_cast<std::size_t>(column) + 1];
      for (int b = y[static_cast<std::size_t>(row)]; b < y[static_cast<std::size_t>(row) + 1];
           ++b) {
        for (int a = left; a < right; ++a) {
          const auto address = static_cast<std::size_t>(b * sps.columns + a);
          layout.raster[next] = static_cast<std::int32_t>(address);
          layout.scan[address] = static_cast<std::int32_t>(next++);
          layout.tile[address] = static_cast<std::int16_t>(row * pps.tile_columns + column);
          layout.left[address] = left;
        }
      }
    }
  }
  return true;
}

}  // namespace costream::h265
