// What the tracker is reported of a coding unit: the mean luma of its 4x4 blocks, of prediction
// (ITU-T H.265, 8.4.4.2 and 8.5.3.3), residual (8.6.4) and sample adaptive offset (8.7.3).
#include <algorithm>

#include "slice_decoder.h"

namespace costream::h265 {

// Sample adaptive offsets of a coding tree block; edges are left out, which change no means.
void SliceDecoder::track_bands(std::int32_t address) {
  const BandOffsets& bands = bands_[static_cast<std::size_t>(address)];
  if (bands.first < 0) return;
  const int side4 = 1 << (sps_->log2_ctb - 2), x4 = block_x_ / 4, y4 = block_y_ / 4;
  for (int y = y4; y < std::min(y4 + side4, rows_); ++y)
    for (int x = x4; x < std::min(x4 + side4, columns_); ++x)
      tracker_->offset_bands(x, y, bands.first, bands.offsets);
}

// Whether a block is predicted from where it is, as it is.
bool SliceDecoder::stands(const Motion& motion) const {
  for (int list = 0; list < 2; ++list) {
    const int id = motion.reference[list];
    const std::int16_t* vector = motion.vector[list];
    if (id >= 0 && ((vector[0] | vector[1]) != 0 || !weight_[list][id].plain())) return false;
  }
  return true;
}

void SliceDecoder::track_inter(const CodingUnit& cu) {
  const int side4 = 1 << (cu.log2 - 2), x4 = cu.x >> 2, y4 = cu.y >> 2;
  const bool skip = mode_[y4 * columns_ + x4] == Mode::kSkip;
  // A skipped one has the same motion everywhere.
  if (skip && stands(motion_[y4 * columns_ + x4])) return;
  for (int row = 0; row < side4; ++row) {
    const Motion* motion = motion_ + (y4 + row) * columns_ + x4;
    for (int column = 0; column < side4; ++column, ++motion) {
      const float residual = skip ? 0 : means_[row * kMeans + column];
      if (residual == 0 && stands(*motion)) continue;
      float sum = 0;
      int used = 0;
      for (int list = 0; list < 2; ++list) {
        if (motion->reference[list] < 0) continue;
        const Weight& weight = weight_[list][motion->reference[list]];
        sum += tracker_->moved(x4 + column, y4 + row, motion->vector[list][0],
                               motion->vector[list][1]) *
                   weight.scale +
               weight.offset;
        ++used;
      }
      if (used > 0)
        tracker_->set(x4 + column, y4 + row, sum / static_cast<float>(used) + residual);
    }
  }
}

// Prediction from the rows of blocks around, as far as there are any, in one of three ways.
void SliceDecoder::track_intra(const CodingUnit& cu, const TransformBlock& block, int mode) {
  const int side4 = 1 << (block.log2 - 2), x4 = block.x >> 2, y4 = block.y >> 2;
  const bool left = x4 > 0 && (block.x > block_x_ || left_);
  const bool above = y4 > 0 && (block.y > block_y_ || up_);
  float rows[8], columns[8], total = 0;
  for (int at = 0; at < side4; ++at) {
    rows[at] = left ? tracker_->right_edge(x4 - 1, y4 + at) : 0;
    columns[at] = above ? tracker_->lower_edge(x4 + at, y4 - 1) : 0;
    total += rows[at] + columns[at];
  }
  const float level = left || above ? total / static_cast<float>(side4 * (left + above)) : 128;
  const float* const means =
      means_ + ((block.y - cu.y) >> 2) * kMeans + ((block.x - cu.x) >> 2);
  for (int row = 0; row < side4; ++row) {
    for (int column = 0; column < side4; ++column) {
      float predicted = level;
      if (mode >= kFirstVerticalMode && above) {
        predicted = columns[column];
      } else if (mode > kDc && mode < kFirstVerticalMode && left) {
        predicted = rows[row];
      } else if (mode == kPlanar && left && above) {
        predicted = (rows[row] + columns[column]) / 2;
      }
      tracker_->set_intra(x4 + column, y4 + row, predicted + means[row * kMeans + column]);
    }
  }
}

}  // namespace costream::h265
