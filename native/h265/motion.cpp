// Motion vectors (ITU-T H.265, 8.5.3.2): merge candidates, predictors, temporal candidates.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "slice_decoder.h"

namespace costream::h265 {

namespace {

bool same(const Motion& a, const Motion& b) { return std::memcmp(&a, &b, sizeof a) == 0; }

// Difference of picture order counts, as far as distances are told apart.
int distance(std::int32_t a, std::int32_t b) {
  return static_cast<int>(std::clamp<std::int64_t>(std::int64_t{a} - b, -128, 127));
}

// Scales a vector over the distance `from` to the distance `to` (8-179 ff.).
std::int16_t scaled(int component, int from, int to) {
  const int inverse = (16384 + std::abs(from) / 2) / from;
  const int factor = std::clamp((to * inverse + 32) >> 6, -4096, 4095);
  const int product = factor * component;
  const int size = (std::abs(product) + 127) >> 8;
  return static_cast<std::int16_t>(std::clamp(product < 0 ? -size : size, -32768, 32767));
}

}  // namespace

// Whether a 4x4 block was decoded before and belongs to the same slice and tile (6.4.1).
bool SliceDecoder::decoded(int x4, int y4) const {
  if (x4 < 0 || y4 < 0 || x4 >= columns_ || y4 >= rows_) return false;
  const int shift = sps_->log2_ctb - 2;
  const int dx = (x4 >> shift) - (block_x_ >> sps_->log2_ctb);
  const int dy = (y4 >> shift) - (block_y_ >> sps_->log2_ctb);
  if (dy > 0) return false;
  if (dy == 0) {
    if (dx > 0 || (dx < 0 && !left_)) return false;
  } else if (!(dx == 0 ? up_ : dx < 0 ? up_left_ : up_right_)) {
    return false;
  }
  return mode_[y4 * columns_ + x4] != Mode::kNotCoded;
}

// A block's motion where it's available for prediction (6.4.2), or null.
const Motion* SliceDecoder::candidate(int x, int y) const {
  const int x4 = x >> 2, y4 = y >> 2;
  if (!decoded(x4, y4) || mode_[y4 * columns_ + x4] == Mode::kIntra) return nullptr;
  return motion_ + y4 * columns_ + x4;
}

// Of a skipped coding unit that stands, for a tracker: what is asked of it later on, which is its
// last column and row, by its neighbours, and the corners of 16x16 blocks, by later pictures. All of
// it would be most of what a quiet picture writes.
void SliceDecoder::outline_motion(int x, int y, int size, const Motion& motion) {
  Motion* row = motion_ + (y >> 2) * columns_ + (x >> 2);
  const int last = (size >> 2) - 1;
  for (int i = 0; i < last; ++i, row += columns_) {
    row[last] = motion;
    if ((i & 3) == 0)
      for (int j = 0; j < last; j += 4) row[j] = motion;
  }
  for (int j = 0; j <= last; ++j) row[j] = motion;
}

void SliceDecoder::fill_motion(int x, int y, int width, int height, const Motion& motion) {
  Motion* row = motion_ + (y >> 2) * columns_ + (x >> 2);
  const int width4 = width >> 2, height4 = height >> 2;
  // Doubling: what is stored in parts and loaded as a whole would stall.
  row[0] = motion;
  for (int done = 1; done < width4; done *= 2)
    std::memcpy(row + done, row,
                static_cast<std::size_t>(std::min(done, width4 - done)) * sizeof motion);
  for (int i = 1; i < height4; ++i)
    std::memcpy(row + i * columns_, row, static_cast<std::size_t>(width4) * sizeof motion);
}

// Reads a coding unit's prediction units (7.3.8.5). Returns merge_flag of the last one.
bool SliceDecoder::prediction_units(const CodingUnit& cu, PartMode mode) {
  const int size = 1 << cu.log2, half = size / 2, quarter = size / 4;
  const auto unit = [&](int dx, int dy, int width, int height, int part) {
    return prediction_unit(cu, {cu.x + dx, cu.y + dy, width, height, part, mode}, false);
  };
  const auto rows = [&](int upper) {
    unit(0, 0, size, upper, 0);
    return unit(0, upper, size, size - upper, 1);
  };
  const auto columns = [&](int left) {
    unit(0, 0, left, size, 0);
    return unit(left, 0, size - left, size, 1);
  };
  switch (mode) {
    case PartMode::k2Nx2N:
      return unit(0, 0, size, size, 0);
    case PartMode::k2NxN:
      return rows(half);
    case PartMode::kNx2N:
      return columns(half);
    case PartMode::k2NxnU:
      return rows(quarter);
    case PartMode::k2NxnD:
      return rows(size - quarter);
    case PartMode::knLx2N:
      return columns(quarter);
    case PartMode::knRx2N:
      return columns(size - quarter);
    case PartMode::kNxN:
      break;
  }
  unit(0, 0, half, half, 0);
  unit(half, 0, half, half, 1);
  unit(0, half, half, half, 2);
  return unit(half, half, half, half, 3);
}

// part_mode of an inter coding unit (9.3.3.7).
SliceDecoder::PartMode SliceDecoder::part_mode(int log2) {
  if (bin(kPartMode)) return PartMode::k2Nx2N;
  const bool horizontal = bin(kPartMode + 1);
  if (log2 == sps_->log2_min_cb) {
    if (horizontal) return PartMode::k2NxN;
    if (log2 == 3) return PartMode::kNx2N;
    return bin(kPartMode + 2) ? PartMode::kNx2N : PartMode::kNxN;
  }
  if (!sps_->amp || bin(kPartMode + 3)) return horizontal ? PartMode::k2NxN : PartMode::kNx2N;
  if (cabac_.bypass()) return horizontal ? PartMode::k2NxnD : PartMode::knRx2N;
  return horizontal ? PartMode::k2NxnU : PartMode::knLx2N;
}

// Reads prediction_unit() (7.3.8.6) and writes its motion. Returns merge_flag.
bool SliceDecoder::prediction_unit(const CodingUnit& cu, const PredictionBlock& pb, bool skip) {
  const bool merged = skip || bin(kMergeFlag);
  if (merged) {
    int index = 0;
    if (slice_->max_merge > 1 && bin(kMergeIndex)) {
      index = 1;
      while (index < slice_->max_merge - 1 && cabac_.bypass()) ++index;
    }
    Motion motion = merge(cu, pb, index);
    if (pb.width + pb.height == 12 && motion.reference[0] >= 0 && motion.reference[1] >= 0) {
      motion.reference[1] = -1;
      motion.vector[1][0] = motion.vector[1][1] = 0;
    }
    if (skip && tracker_ != nullptr && stands(motion))
      outline_motion(pb.x, pb.y, pb.width, motion);
    else
      fill_motion(pb.x, pb.y, pb.width, pb.height, motion);
    return true;
  }

  bool used[2] = {true, false};
  if (slice_->type == SliceType::kB) {
    if (pb.width + pb.height != 12 && bin(kInterPred + cu.depth)) {
      used[1] = true;
    } else {
      used[1] = bin(kInterPred + 4);
      used[0] = !used[1];
    }
  }
  Motion motion = kNoMotion;
  for (int list = 0; list < 2; ++list) {
    if (!used[list]) continue;
    const int index = reference_index(list);
    Vector delta = {0, 0};
    if (!(list == 1 && slice_->mvd_l1_zero && used[0])) delta = difference();
    const bool second = bin(kMvpFlag);
    const std::int8_t id = id_[list][index];
    const Vector predictor = predict_vector(cu, pb, list, id, second);
    motion.reference[list] = id;
    motion.vector[list][0] = static_cast<std::int16_t>(predictor.x + delta.x);
    motion.vector[list][1] = static_cast<std::int16_t>(predictor.y + delta.y);
  }
  fill_motion(pb.x, pb.y, pb.width, pb.height, motion);
  return false;
}

// ref_idx_l0 or ref_idx_l1.
int SliceDecoder::reference_index(int list) {
  const int last = slice_->active[list] - 1;
  int index = 0;
  while (index < last && index < 2 && bin(kReferenceIndex + index)) ++index;
  if (index == 2)
    while (index < last && cabac_.bypass()) ++index;
  return index;
}

// mvd_coding() (7.3.8.9); modulo 2^16, as the vectors are.
SliceDecoder::Vector SliceDecoder::difference() {
  const bool x0 = bin(kMvdGreater0), y0 = bin(kMvdGreater0);
  const bool x1 = x0 && bin(kMvdGreater1), y1 = y0 && bin(kMvdGreater1);
  const auto component = [&](bool greater0, bool greater1) {
    if (!greater0) return std::int16_t{0};
    std::uint32_t size = 1;
    if (greater1) {
      int k = 1;
      size = 2;
      while (k < 16 && cabac_.bypass()) size += 1u << k++;
      size += cabac_.bypass(k);
    }
    return static_cast<std::int16_t>(cabac_.bypass() ? 0u - size : size);
  };
  const std::int16_t x = component(x0, x1);
  return {x, component(y0, y1)};
}

// The merge candidate of an index (8.5.3.2.2 to 8.5.3.2.5). Candidates behind it are not derived.
Motion SliceDecoder::merge(const CodingUnit& cu, const PredictionBlock& block, int index) const {
  PredictionBlock pb = block;
  const int level = pps_->log2_parallel_merge;
  if (level > 2 && cu.log2 == 3) pb = {cu.x, cu.y, 8, 8, 0, PartMode::k2Nx2N};
  const int x = pb.x, y = pb.y, right = x + pb.width, bottom = y + pb.height;

  // Blocks of the same parallel merge region aren't looked at, nor those of a later part.
  const auto neighbour = [&](int at_x, int at_y) -> const Motion* {
    if (x >> level == at_x >> level && y >> level == at_y >> level) return nullptr;
    if (later_part(cu, pb, at_x, at_y)) return nullptr;
    return candidate(at_x, at_y);
  };
  Motion list[5];
  int count = 0;

  const bool second_column =
      pb.part == 1 &&
      (pb.mode == PartMode::kNx2N || pb.mode == PartMode::knLx2N || pb.mode == PartMode::knRx2N);
  const bool second_row =
      pb.part == 1 &&
      (pb.mode == PartMode::k2NxN || pb.mode == PartMode::k2NxnU || pb.mode == PartMode::k2NxnD);
  const Motion* a1 = second_column ? nullptr : neighbour(x - 1, bottom - 1);
  if (a1 != nullptr) {
    if (index == count) return *a1;
    list[count++] = *a1;
  }
  const Motion* b1 = second_row ? nullptr : neighbour(right - 1, y - 1);
  if (b1 != nullptr && !(a1 != nullptr && same(*a1, *b1))) {
    if (index == count) return *b1;
    list[count++] = *b1;
  }
  const Motion* b0 = neighbour(right, y - 1);
  if (b0 != nullptr && !(b1 != nullptr && same(*b1, *b0))) {
    if (index == count) return *b0;
    list[count++] = *b0;
  }
  const Motion* a0 = neighbour(x - 1, bottom);
  if (a0 != nullptr && !(a1 != nullptr && same(*a1, *a0))) {
    if (index == count) return *a0;
    list[count++] = *a0;
  }
  if (count < 4) {
    const Motion* b2 = neighbour(x - 1, y - 1);
    if (b2 != nullptr && !(a1 != nullptr && same(*a1, *b2)) && !(b1 != nullptr && same(*b1, *b2))) {
      if (index == count) return *b2;
      list[count++] = *b2;
    }
  }

  const bool bi = slice_->type == SliceType::kB;
  if (count < slice_->max_merge && collocated_ != nullptr) {
    Motion motion = kNoMotion;
    for (int side = 0; side < (bi ? 2 : 1); ++side) {
      Vector vector;
      if (!temporal(pb, side, id_[side][0], vector)) continue;
      motion.reference[side] = id_[side][0];
      motion.vector[side][0] = vector.x;
      motion.vector[side][1] = vector.y;
    }
    if (motion.reference[0] >= 0 || motion.reference[1] >= 0) {
      if (index == count) return motion;
      list[count++] = motion;
    }
  }

  if (bi && count > 1 && count < slice_->max_merge) {  // combinations (8.5.3.2.4)
    constexpr std::uint8_t kFirst[12] = {0, 1, 0, 2, 1, 2, 0, 3, 1, 3, 2, 3};
    constexpr std::uint8_t kSecond[12] = {1, 0, 2, 0, 2, 1, 3, 0, 3, 1, 3, 2};
    const int combinations = count * (count - 1);
    for (int i = 0; i < combinations && count < slice_->max_merge; ++i) {
      const Motion &first = list[kFirst[i]], &second = list[kSecond[i]];
      if (first.reference[0] < 0 || second.reference[1] < 0) continue;
      if (reference_[first.reference[0]].poc == reference_[second.reference[1]].poc &&
          std::memcmp(first.vector[0], second.vector[1], sizeof first.vector[0]) == 0)
        continue;
      const Motion motion = {
          {{first.vector[0][0], first.vector[0][1]}, {second.vector[1][0], second.vector[1][1]}},
          {first.reference[0], second.reference[1]}};
      if (index == count) return motion;
      list[count++] = motion;
    }
  }

  // Zero vectors to one reference after the other (8.5.3.2.5).
  const int references = bi ? std::min(slice_->active[0], slice_->active[1]) : slice_->active[0];
  const int zero = index - count < references ? index - count : 0;
  return {{{0, 0}, {0, 0}}, {id_[0][zero], static_cast<std::int8_t>(bi ? id_[1][zero] : -1)}};
}

// Of four parts, the second one has the third to its lower left, which comes later.
bool SliceDecoder::later_part(const CodingUnit& cu, const PredictionBlock& pb, int x, int y) {
  return pb.mode == PartMode::kNxN && pb.part == 1 && y >= pb.y + pb.height && x < pb.x &&
         x >= cu.x;
}

// A motion vector predictor (8.5.3.2.6).
SliceDecoder::Vector SliceDecoder::predict_vector(const CodingUnit& cu, const PredictionBlock& pb,
                                                  int list, int reference, bool second) const {
  const Reference& target = reference_[reference];
  const int right = pb.x + pb.width, bottom = pb.y + pb.height;
  const auto neighbour = [&](int x, int y) -> const Motion* {
    return later_part(cu, pb, x, y) ? nullptr : candidate(x, y);
  };
  // A neighbour's vector to the same picture.
  const auto exact = [&](const Motion* motion, Vector& out) {
    if (motion == nullptr) return false;
    for (const int side : {list, 1 - list}) {
      const int id = motion->reference[side];
      if (id < 0 || reference_[id].poc != target.poc) continue;
      out = {motion->vector[side][0], motion->vector[side][1]};
      return true;
    }
    return false;
  };
  // A neighbour's vector to another picture, scaled by the distance.
  const auto rescaled = [&](const Motion* motion, Vector& out) {
    if (motion == nullptr) return false;
    for (const int side : {list, 1 - list}) {
      const int id = motion->reference[side];
      if (id < 0 || reference_[id].long_term != target.long_term) continue;
      out = {motion->vector[side][0], motion->vector[side][1]};
      if (!target.long_term) {
        const int from = distance(poc_, reference_[id].poc), to = distance(poc_, target.poc);
        if (from != 0) out = {scaled(out.x, from, to), scaled(out.y, from, to)};
      }
      return true;
    }
    return false;
  };

  const Motion* a0 = neighbour(pb.x - 1, bottom);
  const Motion* a1 = neighbour(pb.x - 1, bottom - 1);
  const bool is_scaled = a0 != nullptr || a1 != nullptr;
  Vector a{}, b{};
  const bool has_a = exact(a0, a) || exact(a1, a) || rescaled(a0, a) || rescaled(a1, a);
  if (has_a && is_scaled && !second) return a;  // the first of the list, whatever follows

  const Motion* b0 = neighbour(right, pb.y - 1);
  const Motion* b1 = neighbour(right - 1, pb.y - 1);
  const Motion* b2 = neighbour(pb.x - 1, pb.y - 1);
  bool has_b = exact(b0, b) || exact(b1, b) || exact(b2, b);
  bool take_a = has_a;
  if (!is_scaled) {
    if (has_b) {
      a = b;
      take_a = true;
    }
    has_b = rescaled(b0, b) || rescaled(b1, b) || rescaled(b2, b);
  }

  Vector predictors[3];
  int count = 0;
  if (take_a) predictors[count++] = a;
  if (has_b && !(take_a && a.x == b.x && a.y == b.y)) predictors[count++] = b;
  if (count < 2) {
    Vector vector;
    if (temporal(pb, list, reference, vector)) predictors[count++] = vector;
  }
  while (count < 2) predictors[count++] = {0, 0};
  return predictors[second ? 1 : 0];
}

// The temporal candidate (8.5.3.2.8): lower right of the block, or else its centre.
bool SliceDecoder::temporal(const PredictionBlock& pb, int list, int reference, Vector& out) const {
  if (collocated_ == nullptr) return false;
  const int x = pb.x + pb.width, y = pb.y + pb.height;
  if (pb.y >> sps_->log2_ctb == y >> sps_->log2_ctb && x < sps_->width && y < sps_->height &&
      temporal_at(x, y, list, reference, out))
    return true;
  return temporal_at(pb.x + pb.width / 2, pb.y + pb.height / 2, list, reference, out);
}

// The vector of the collocated picture's block there (8.5.3.2.9).
bool SliceDecoder::temporal_at(int x, int y, int list, int reference, Vector& out) const {
  const StoredMotion& motion =
      collocated_->motion[static_cast<std::size_t>((y >> 4) * collocated_->columns + (x >> 4))];
  int side;
  if (motion.predicted[0] && motion.predicted[1]) {
    side = no_backward_ ? list : 1 - slice_->collocated_list;
  } else if (motion.predicted[0] || motion.predicted[1]) {
    side = motion.predicted[0] ? 0 : 1;
  } else {
    return false;
  }
  const Reference& target = reference_[reference];
  if (motion.long_term[side] != target.long_term) return false;
  out = {motion.vector[side][0], motion.vector[side][1]};
  const std::int64_t from = std::int64_t{collocated_->poc} - motion.poc[side];
  const std::int64_t to = std::int64_t{poc_} - target.poc;
  if (!target.long_term && from != to && from != 0) {
    const int near = distance(collocated_->poc, motion.poc[side]),
              far = distance(poc_, target.poc);
    out = {scaled(out.x, near, far), scaled(out.y, near, far)};
  }
  return true;
}

}  // namespace costream::h265
