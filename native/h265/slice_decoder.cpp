#include "slice_decoder.h"

#include <algorithm>
#include <cstring>

#include "scan.h"

namespace costream::h265 {

namespace {

// Writes a rectangle of bytes. The usual widths without a call.
void fill(void* start, int stride, int width, int height, std::uint8_t value) {
  auto* row = static_cast<std::uint8_t*>(start);
  const std::uint64_t word = value * UINT64_C(0x0101010101010101);
  switch (width) {
    case 2:
      for (int y = 0; y < height; ++y, row += stride) std::memcpy(row, &word, 2);
      break;
    case 4:
      for (int y = 0; y < height; ++y, row += stride) std::memcpy(row, &word, 4);
      break;
    case 8:
      for (int y = 0; y < height; ++y, row += stride) std::memcpy(row, &word, 8);
      break;
    case 16:
      for (int y = 0; y < height; ++y, row += stride) {
        std::memcpy(row, &word, 8);
        std::memcpy(row + 8, &word, 8);
      }
      break;
    default:
      for (int y = 0; y < height; ++y, row += stride)
        std::memset(row, value, static_cast<std::size_t>(width));
  }
}

// The order in which coefficients are coded, by the intra mode (7.4.9.11).
int scan_of(bool intra, int log2, int largest, int mode) {
  if (!intra || log2 > largest) return kDiagonal;
  if (mode >= 6 && mode <= 14) return kVertical;
  if (mode >= 22 && mode <= 30) return kHorizontal;
  return kDiagonal;
}

}  // namespace

void SliceDecoder::start(const SequenceParameters& sps, const PictureParameters& pps,
                         const TileLayout& tiles, std::int32_t poc, Picture& picture,
                         Tracker* tracker) {
  tracker_ = tracker;
  sps_ = &sps;
  pps_ = &pps;
  tiles_ = &tiles;
  picture_ = &picture;
  poc_ = poc;
  columns_ = sps.width / 4;
  rows_ = sps.height / 4;
  const auto count = static_cast<std::size_t>(columns_) * static_cast<std::size_t>(rows_);
  picture.motion.resize(count, Motion{});
  picture.mode.resize(count, Mode::kNotCoded);
  picture.qp.resize(count, 0);
  if (tracker == nullptr) picture.energy.resize(count, 0);
  motion_ = picture.motion.data();
  mode_ = picture.mode.data();
  qp_plane_ = picture.qp.data();
  energy_ = picture.energy.data();
  slice_address_.assign(tiles.raster.size(), -1);
  if (tracker != nullptr) bands_.assign(tiles.raster.size(), {});
  const auto across = static_cast<std::size_t>(sps.columns) << (sps.log2_ctb - 3);
  up_depth_.assign(across, 0);
  up_skip_.assign(across, 0);
  complete_ = true;
  aliases_ = false;
  saved_slice_valid_ = false;
  flat_ = !sps.scaling_lists_enabled;
  scaling_ = pps.scaling_lists_present ? &pps.scaling_lists : &sps.scaling_lists;
}

// Gives the picture's blocks the references that aliases stand for.
void SliceDecoder::resolve_aliases() {
  if (!aliases_) return;
  aliases_ = false;
  for (Motion& motion : picture_->motion)
    for (std::int8_t& reference : motion.reference)
      if (reference >= kAlias) reference = alias_of_[reference - kAlias];
}

// Numbers the entries of a slice's lists, as Motion::reference holds them.
void SliceDecoder::name_references(const ReferenceLists& lists) {
  resolve_aliases();
  no_backward_ = true;
  for (int list = 0; list < 2; ++list) {
    for (int i = 0; i < lists.count[list]; ++i) {
      const Reference& entry = lists.entry[list][static_cast<std::size_t>(i)];
      no_backward_ &= entry.poc <= poc_;
      auto& known = picture_->references;
      auto at = static_cast<std::size_t>(std::find(known.begin(), known.end(), entry.poc) -
                                         known.begin());
      // A reference picture set has 16 pictures at most, and all slices have the same one.
      if (at == known.size() && at < kAlias) known.push_back(entry.poc);
      at = std::min<std::size_t>(at, kAlias - 1);
      auto id = static_cast<std::int8_t>(at);
      if (std::find(id_[list], id_[list] + i, id) != id_[list] + i) {
        const int alias = list * 16 + i;
        alias_of_[alias] = id;
        id = static_cast<std::int8_t>(kAlias + alias);
        aliases_ = true;
      }
      id_[list][i] = id;
      reference_[id] = entry;
      weight_[list][id] = slice_->weights[list][static_cast<std::size_t>(i)];
    }
  }
}

bool SliceDecoder::decode(const SliceHeader& slice, const ReferenceLists& lists,
                          const std::uint8_t* data, std::size_t size) {
  slice_ = &slice;
  data_ = data;
  size_ = size;
  if (!slice.dependent) {
    name_references(lists);
    collocated_ = nullptr;
    if (slice.temporal_mvp && slice.type != SliceType::kI) {
      const Frame* frame =
          lists.entry[slice.collocated_list][static_cast<std::size_t>(slice.collocated_index)]
              .frame;
      if (frame != nullptr && frame->columns == (columns_ + 3) / 4 &&
          frame->rows == (rows_ + 3) / 4)
        collocated_ = frame;
    }
  }
  const bool exact = blocks();
  complete_ &= exact;
  saved_slice_valid_ = exact;
  return exact;
}

// slice_segment_data() (7.3.8.1).
bool SliceDecoder::blocks() {
  cabac_ = Cabac(data_, size_);
  const auto total = static_cast<std::int32_t>(tiles_->raster.size());
  std::int32_t scan = tiles_->scan[static_cast<std::size_t>(slice_->address)];
  bool substream = true;  // the block is the first one of a substream
  for (;;) {
    const std::int32_t address = tiles_->raster[static_cast<std::size_t>(scan)];
    enter_block(address);
    if (substream && !enter_substream(scan)) return false;
    if (slice_->sao_luma || slice_->sao_chroma) sample_offsets(address);
    if (!quadtree(block_x_, block_y_, sps_->log2_ctb, 0)) return false;
    if (tracker_ != nullptr) track_bands(address);
    const int column = address % sps_->columns,
              left = tiles_->left[static_cast<std::size_t>(address)];
    if (pps_->wavefront && column == left + 1) saved_row_ = states_;
    const bool ends = cabac_.terminate();
    if (cabac_.spent()) return false;
    if (ends) {
      saved_slice_ = states_;
      return ends_exactly();
    }

    if (++scan == total) return false;
    const auto next = static_cast<std::size_t>(tiles_->raster[static_cast<std::size_t>(scan)]);
    substream =
        (pps_->tiles && tiles_->tile[next] != tiles_->tile[static_cast<std::size_t>(address)]) ||
        (pps_->wavefront && static_cast<int>(next) % sps_->columns == tiles_->left[next]);
    if (substream) {
      if (!cabac_.terminate()) return false;  // end_of_subset_one_bit
      if (!restart(0)) return false;
    }
  }
}

// Starts the arithmetic decoder again, at the next byte behind so many bits that aren't its own.
bool SliceDecoder::restart(std::size_t skipped_bits) {
  const std::size_t used = (cabac_.position() + 7) / 8 + (skipped_bits + 7) / 8;
  if (used >= size_) return false;
  data_ += used;
  size_ -= used;
  cabac_ = Cabac(data_, size_);
  return true;
}

// The last bit read is rbsp_stop_one_bit, and nothing but zeros follow.
bool SliceDecoder::ends_exactly() const {
  const std::size_t position = cabac_.position();
  if (position == 0 || position > size_ * 8) return false;
  const std::size_t last = (position - 1) / 8;
  if ((data_[last] << ((position - 1) & 7) & 0xff) != 0x80) return false;
  return std::all_of(data_ + last + 1, data_ + size_, [](std::uint8_t byte) { return byte == 0; });
}

void SliceDecoder::enter_block(std::int32_t address) {
  const int column = address % sps_->columns, row = address / sps_->columns;
  const auto at = static_cast<std::size_t>(address);
  const auto width = static_cast<std::size_t>(sps_->columns);
  block_x_ = column << sps_->log2_ctb;
  block_y_ = row << sps_->log2_ctb;
  const auto same = [&](std::size_t other) {
    return slice_address_[other] == slice_->slice_address &&
           tiles_->tile[other] == tiles_->tile[at];
  };
  left_ = column > 0 && same(at - 1);
  up_ = row > 0 && same(at - width);
  up_left_ = column > 0 && row > 0 && same(at - width - 1);
  up_right_ = column + 1 < sps_->columns && row > 0 && same(at - width + 1);
  if (slice_address_[at] >= 0) {  // coded twice: the stream is damaged
    const int side = 1 << (sps_->log2_ctb - 2), x4 = block_x_ / 4, y4 = block_y_ / 4;
    fill(mode_ + y4 * columns_ + x4, columns_, std::min(side, columns_ - x4),
         std::min(side, rows_ - y4), static_cast<std::uint8_t>(Mode::kNotCoded));
  }
  slice_address_[at] = slice_->slice_address;

  if (!left_) {
    std::memset(left_depth_, 0, sizeof left_depth_);
    std::memset(left_skip_, 0, sizeof left_skip_);
    std::memset(left_intra_, kDc, sizeof left_intra_);
  }
  if (!up_) {
    const auto side = std::size_t{1} << (sps_->log2_ctb - 3);
    std::memset(up_depth_.data() + block_x_ / 8, 0, side);
    std::memset(up_skip_.data() + block_x_ / 8, 0, side);
  }
  // A candidate above the row of blocks counts as DC (8.4.2).
  std::memset(up_intra_, kDc, sizeof up_intra_);
}

// Contexts and QP prediction at the start of a slice segment, tile or row (9.3.1).
bool SliceDecoder::enter_substream(std::int32_t scan) {
  const auto at = static_cast<std::size_t>(tiles_->raster[static_cast<std::size_t>(scan)]);
  const bool tile_starts =
      scan == 0 ||
      tiles_->tile[static_cast<std::size_t>(tiles_->raster[static_cast<std::size_t>(scan) - 1])] !=
          tiles_->tile[at];
  const bool row_starts =
      pps_->wavefront && static_cast<int>(at) % sps_->columns == tiles_->left[at];
  const bool segment_starts = static_cast<std::int32_t>(at) == slice_->address;

  if (!slice_->dependent || tile_starts || row_starts || !segment_starts) {
    qp_ = slice_->qp;
  } else if (!saved_slice_valid_) {
    return false;
  }

  if (!tile_starts && row_starts && up_right_) {
    states_ = saved_row_;
  } else if (!tile_starts && !row_starts && segment_starts && slice_->dependent) {
    states_ = saved_slice_;
  } else {
    const int type = slice_->type == SliceType::kI                           ? 0
                     : (slice_->type == SliceType::kP) == slice_->cabac_init ? 2
                                                                             : 1;
    initialise(states_, type, slice_->qp);
  }
  return true;
}

// sao() (7.3.8.3).
void SliceDecoder::sample_offsets(std::int32_t address) {
  const auto merge = [&](std::int32_t from) {
    if (tracker_ != nullptr)
      bands_[static_cast<std::size_t>(address)] = bands_[static_cast<std::size_t>(from)];
  };
  if (left_ && bin(kSaoMerge)) return merge(address - 1);
  if (up_ && bin(kSaoMerge)) return merge(address - sps_->columns);
  for (int component = 0; component < (sps_->chroma_format == 0 ? 1 : 3); ++component) {
    if (!(component == 0 ? slice_->sao_luma : slice_->sao_chroma)) continue;
    if (component < 2) {  // Cr has the type and class of Cb
      sao_type_ = 0;
      if (bin(kSaoType)) sao_type_ = cabac_.bypass() ? 2 : 1;
    }
    if (sao_type_ == 0) continue;
    const int depth = component == 0 ? sps_->bit_depth_luma : sps_->bit_depth_chroma;
    const int largest = (1 << (std::min(depth, 10) - 5)) - 1;
    int offsets[4];
    for (int& offset : offsets) {
      offset = 0;
      while (offset < largest && cabac_.bypass()) ++offset;
    }
    if (sao_type_ == 1) {
      for (int& offset : offsets)
        if (offset != 0 && cabac_.bypass()) offset = -offset;
      const int first = static_cast<int>(cabac_.bypass(5));
      if (component == 0 && tracker_ != nullptr) {
        BandOffsets& bands = bands_[static_cast<std::size_t>(address)];
        bands.first = first;
        std::copy_n(offsets, 4, bands.offsets);
      }
    } else if (component < 2) {
      cabac_.bypass(2);  // direction of the edges
    }
  }
}

// coding_quadtree() (7.3.8.4).
bool SliceDecoder::quadtree(int x, int y, int log2, int depth) {
  const int size = 1 << log2;
  bool split = log2 > sps_->log2_min_cb;
  if (split && x + size <= sps_->width && y + size <= sps_->height) {
    const int left = left_depth_[(y - block_y_) >> 3],
              up = up_depth_[static_cast<std::size_t>(x >> 3)];
    split = bin(kSplitCodingUnit + (left > depth ? 1 : 0) + (up > depth ? 1 : 0));
  }
  if (pps_->qp_delta && log2 >= sps_->log2_ctb - pps_->qp_delta_depth) {
    qp_coded_ = false;
    group_x_ = x;
    group_y_ = y;
    group_starts_ = true;
  }
  if (!split) return coding_unit(x, y, log2, depth);
  const int half = size >> 1;
  for (int part = 0; part < 4; ++part) {
    const int part_x = x + (part & 1) * half, part_y = y + (part >> 1) * half;
    if (part_x < sps_->width && part_y < sps_->height &&
        !quadtree(part_x, part_y, log2 - 1, depth + 1))
      return false;
  }
  return true;
}

// qPY_PRED of the quantisation group (8.6.1). qp_ is still that of the last coding unit before, or
// the slice's where the group is the first one.
void SliceDecoder::predict_qp() {
  const int mask = (1 << sps_->log2_ctb) - 1;
  const std::int8_t* at = qp_plane_ + (group_y_ >> 2) * columns_ + (group_x_ >> 2);
  const int left = (group_x_ & mask) != 0 ? at[-1] : qp_;
  const int up = (group_y_ & mask) != 0 ? at[-columns_] : qp_;
  predicted_qp_ = (left + up + 1) >> 1;
  qp_ = predicted_qp_;
}

// coding_unit() (7.3.8.5).
bool SliceDecoder::coding_unit(int x, int y, int log2, int depth) {
  const int size = 1 << log2, x4 = x >> 2, y4 = y >> 2, side4 = size >> 2, side8 = size >> 3;
  const int local8 = (y - block_y_) >> 3, local_x4 = (x - block_x_) >> 2,
            local_y4 = (y - block_y_) >> 2;
  const int corner = y4 * columns_ + x4;
  if (group_starts_) {
    group_starts_ = false;
    predict_qp();
  }

  CodingUnit cu{};
  cu.x = x;
  cu.y = y;
  cu.log2 = log2;
  cu.depth = depth;
  cu.transquant_bypass = pps_->transquant_bypass && bin(kTransquantBypass);
  bool skip = false;
  if (slice_->type != SliceType::kI)
    skip = bin(kSkip + left_skip_[local8] + up_skip_[static_cast<std::size_t>(x >> 3)]);

  fill(left_depth_ + local8, 0, side8, 1, static_cast<std::uint8_t>(depth));
  fill(up_depth_.data() + (x >> 3), 0, side8, 1, static_cast<std::uint8_t>(depth));
  fill(left_skip_ + local8, 0, side8, 1, skip ? 1 : 0);
  fill(up_skip_.data() + (x >> 3), 0, side8, 1, skip ? 1 : 0);

  if (tracker_ != nullptr && !skip)
    for (int row = 0; row < side4; ++row) std::fill_n(means_ + row * kMeans, side4, 0.0f);
  bool residual = true, good = true, dc = true;
  if (skip) {
    fill(mode_ + corner, columns_, side4, side4, static_cast<std::uint8_t>(Mode::kSkip));
    prediction_unit(cu, {x, y, size, size, 0, PartMode::k2Nx2N}, true);
    residual = false;
  } else if (slice_->type != SliceType::kI && !bin(kPredMode)) {
    fill(mode_ + corner, columns_, side4, side4, static_cast<std::uint8_t>(Mode::kInter));
    const PartMode mode = part_mode(log2);
    const bool merged = prediction_units(cu, mode);
    if (!(mode == PartMode::k2Nx2N && merged)) residual = bin(kRootCbf);
    cu.max_depth = sps_->max_depth_inter;
    cu.split_inter = sps_->max_depth_inter == 0 && mode != PartMode::k2Nx2N;
  } else {
    cu.intra = true;
    fill(mode_ + corner, columns_, side4, side4, static_cast<std::uint8_t>(Mode::kIntra));
    fill_motion(x, y, size, size, kNoMotion);
    cu.split_intra = log2 == sps_->log2_min_cb && !bin(kPartMode);
    cu.max_depth = sps_->max_depth_intra + (cu.split_intra ? 1 : 0);
    if (!cu.split_intra && sps_->pcm && log2 >= sps_->log2_min_pcm && log2 <= sps_->log2_max_pcm &&
        cabac_.terminate()) {
      if (tracker_ != nullptr) tracker_->fail();
      good = pcm_samples(log2);
      residual = false;
    } else {
      intra_modes(cu);
      dc = false;
    }
  }
  if (dc) {  // how it counts as a neighbour's candidate
    fill(left_intra_ + local_y4, 0, side4, 1, kDc);
    fill(up_intra_ + local_x4, 0, side4, 1, kDc);
  }

  if (residual) good = transform_tree(cu, {x, y, log2, 0, 0}, true, true);
  if (tracker_ != nullptr && !cu.intra) track_inter(cu);
  fill(qp_plane_ + corner, columns_, side4, side4, static_cast<std::uint8_t>(qp_));
  return good;
}

// pcm_sample() (7.3.8.7).
bool SliceDecoder::pcm_samples(int log2) {
  const std::size_t luma = std::size_t{1} << (2 * log2);
  const std::size_t chroma = sps_->chroma_format == 0 ? 0 : luma / 2;
  return restart(luma * static_cast<std::size_t>(sps_->pcm_bits_luma) +
                 chroma * static_cast<std::size_t>(sps_->pcm_bits_chroma));
}

// Intra prediction modes (8.4.2, 8.4.3): of the coefficients they decide the scan.
void SliceDecoder::intra_modes(CodingUnit& cu) {
  const int parts = cu.split_intra ? 4 : 1;
  bool predicted[4];
  for (int part = 0; part < parts; ++part) predicted[part] = bin(kPrevIntraLuma);
  const int side4 = 1 << (cu.log2 - 2 - (parts == 4 ? 1 : 0));
  for (int part = 0; part < parts; ++part) {
    const int x4 = ((cu.x - block_x_) >> 2) + (part & 1) * side4;
    const int y4 = ((cu.y - block_y_) >> 2) + (part >> 1) * side4;
    const int left = left_intra_[y4], up = up_intra_[x4];
    int candidates[3];
    if (left != up) {
      candidates[0] = left;
      candidates[1] = up;
      candidates[2] = left != kPlanar && up != kPlanar ? kPlanar
                      : left != kDc && up != kDc       ? kDc
                                                       : kVerticalMode;
    } else if (left < 2) {
      candidates[0] = kPlanar;
      candidates[1] = kDc;
      candidates[2] = kVerticalMode;
    } else {
      candidates[0] = left;
      candidates[1] = 2 + ((left + 29) & 31);
      candidates[2] = 2 + ((left - 2 + 1) & 31);
    }
    int mode;
    if (predicted[part]) {
      mode = candidates[cabac_.bypass() ? 1 + (cabac_.bypass() ? 1 : 0) : 0];
    } else {
      mode = static_cast<int>(cabac_.bypass(5));
      std::sort(candidates, candidates + 3);
      for (const int candidate : candidates) mode += mode >= candidate ? 1 : 0;
    }
    cu.luma_mode[part] = static_cast<std::uint8_t>(mode);
    fill(left_intra_ + y4, 0, side4, 1, static_cast<std::uint8_t>(mode));
    fill(up_intra_ + x4, 0, side4, 1, static_cast<std::uint8_t>(mode));
  }
  if (parts == 1) std::fill_n(cu.luma_mode + 1, 3, cu.luma_mode[0]);
  if (sps_->chroma_format == 0) return;
  cu.chroma_mode = cu.luma_mode[0];
  if (bin(kIntraChroma)) {
    constexpr std::uint8_t kModes[4] = {kPlanar, kVerticalMode, kHorizontalMode, kDc};
    const std::uint8_t mode = kModes[cabac_.bypass(2)];
    cu.chroma_mode = mode == cu.luma_mode[0] ? 34 : mode;
  }
}

// transform_tree() and transform_unit() (7.3.8.8 and 7.3.8.10).
bool SliceDecoder::transform_tree(const CodingUnit& cu, const TransformBlock& block, bool parent_cb,
                                  bool parent_cr) {
  const int log2 = block.log2, depth = block.depth;
  bool split;
  if (log2 <= sps_->log2_max_tb && log2 > sps_->log2_min_tb && depth < cu.max_depth &&
      !(cu.split_intra && depth == 0)) {
    split = bin(kSplitTransform + 5 - log2);
  } else {
    split = log2 > sps_->log2_max_tb || (cu.split_intra && depth == 0) ||
            (cu.split_inter && depth == 0);
    if (split && log2 <= sps_->log2_min_tb) return false;
  }
  bool cb = parent_cb, cr = parent_cr;
  if (sps_->chroma_format == 0) {
    cb = cr = false;
  } else if (log2 > 2) {
    // At depth 0 there's no parent, and both flags are coded.
    if (cb) cb = bin(kCbfChroma + depth);
    if (cr) cr = bin(kCbfChroma + depth);
  }
  if (split) {
    const int half = 1 << (log2 - 1);
    for (int part = 0; part < 4; ++part) {
      const TransformBlock child = {block.x + (part & 1) * half, block.y + (part >> 1) * half,
                                    log2 - 1, depth + 1, part};
      if (!transform_tree(cu, child, cb, cr)) return false;
    }
    return true;
  }
  const bool luma =
      cu.intra || depth != 0 || cb || cr ? bin(kCbfLuma + (depth == 0 ? 1 : 0)) : true;
  const int half_log2 = cu.log2 - 1;
  const int part =
      cu.split_intra ? ((block.x - cu.x) >> half_log2) + 2 * ((block.y - cu.y) >> half_log2) : 0;
  if (!luma && !cb && !cr) {
    if (tracker_ != nullptr && cu.intra) track_intra(cu, block, cu.luma_mode[part]);
    return true;
  }
  if (pps_->qp_delta && !qp_coded_ && !cu_qp_delta()) return false;

  if (luma) {
    const int scan = scan_of(cu.intra, log2, 3, cu.luma_mode[part]);
    float* const means = tracker_ == nullptr ? nullptr
                                             : means_ + ((block.y - cu.y) >> 2) * kMeans +
                                                   ((block.x - cu.x) >> 2);
    const std::uint32_t sum = residual<true>(cu, log2, scan, means);
    const int side4 = 1 << (log2 - 2);
    const auto count = static_cast<std::uint32_t>(side4 * side4);
    // Small coefficients at a low QP may round to 0, but they were coded.
    const std::uint32_t share = std::max(1u, (sum + count - 1) >> (2 * log2 - 4));
    if (tracker_ == nullptr) {
      std::uint32_t* row = energy_ + (block.y >> 2) * columns_ + (block.x >> 2);
      for (int y = 0; y < side4; ++y, row += columns_) std::fill_n(row, side4, share);
    }
  }
  if (tracker_ != nullptr && cu.intra) track_intra(cu, block, cu.luma_mode[part]);
  if (log2 > 2 || block.part == 3) {
    const int chroma_log2 = std::max(2, log2 - 1);
    const int scan = scan_of(cu.intra, chroma_log2, 2, cu.chroma_mode);
    if (cb) residual<false>(cu, chroma_log2, scan, nullptr);
    if (cr) residual<false>(cu, chroma_log2, scan, nullptr);
  }
  return true;
}

// cu_qp_delta_abs (9.3.3.10), its sign, and QpY with it (8-283).
bool SliceDecoder::cu_qp_delta() {
  int delta = 0;
  while (delta < 5 && bin(kQpDelta + (delta == 0 ? 0 : 1))) ++delta;
  if (delta == 5) {
    int k = 0;
    while (k < 7 && cabac_.bypass()) delta += 1 << k++;
    if (k == 7) return false;
    if (k > 0) delta += static_cast<int>(cabac_.bypass(k));
  }
  if (delta != 0 && cabac_.bypass()) delta = -delta;
  const int offset = sps_->qp_offset();
  if (delta < -(26 + offset / 2) || delta > 25 + offset / 2) return false;
  qp_coded_ = true;
  qp_ = (predicted_qp_ + delta + 52 + 2 * offset) % (52 + offset) - offset;
  return true;
}

void SliceDecoder::finish(Frame* frame) {
  resolve_aliases();
  const bool covered = complete_ && std::find(slice_address_.begin(), slice_address_.end(), -1) ==
                                        slice_address_.end();
  if (!covered) {
    if (tracker_ != nullptr) tracker_->fail();
    for (std::size_t i = 0; i < picture_->mode.size(); ++i)
      if (mode_[i] == Mode::kNotCoded) motion_[i] = kNoMotion;
  }
  if (frame == nullptr) return;

  // A reference's motion is kept for each 16x16 block, that of its corner (8.5.3.2.8).
  frame->poc = poc_;
  frame->columns = (columns_ + 3) / 4;
  frame->rows = (rows_ + 3) / 4;
  frame->motion.resize(static_cast<std::size_t>(frame->columns) *
                       static_cast<std::size_t>(frame->rows));
  // Most blocks have that of the one before.
  StoredMotion* stored = frame->motion.data();
  Motion last = kNoMotion;
  StoredMotion kept = stored_motion(last);
  for (int y = 0; y < rows_; y += 4) {
    for (int x = 0; x < columns_; x += 4, ++stored) {
      const Motion& motion = motion_[y * columns_ + x];
      if (std::memcmp(&last, &motion, sizeof motion) != 0) {
        last = motion;
        kept = stored_motion(motion);
      }
      *stored = kept;
    }
  }
}

StoredMotion SliceDecoder::stored_motion(const Motion& motion) const {
  StoredMotion stored{};
  for (int list = 0; list < 2; ++list) {
    const int id = motion.reference[list];
    stored.predicted[list] = id >= 0;
    if (id < 0) continue;
    stored.vector[list][0] = motion.vector[list][0];
    stored.vector[list][1] = motion.vector[list][1];
    stored.poc[list] = reference_[id].poc;
    stored.long_term[list] = reference_[id].long_term;
  }
  return stored;
}

}  // namespace costream::h265
