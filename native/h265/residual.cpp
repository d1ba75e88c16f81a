// Coefficients (ITU-T H.265, 7.3.8.11, with the contexts of 9.3.4.2.3 to 9.3.4.2.7) and what their
// levels amount to once they are scaled (8.6.4.2).
#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "scan.h"
#include "slice_decoder.h"

namespace costream::h265 {

namespace {

constexpr int kLevelScale[6] = {40, 45, 51, 57, 64, 72};

// Means of the basis functions of the transforms over four samples, by log2 of the length less 2,
// in units of the first one.
struct BasisMeans {
  float mean[4][32][8];
  float sine[4];  // of the transform of intra blocks of 4x4 luma samples

  BasisMeans() : mean{}, sine{242 / 256.0f, 74 / 256.0f, 36 / 256.0f, 16 / 256.0f} {
    const double pi = std::acos(-1.0);
    for (int log2 = 2; log2 <= 5; ++log2) {
      const int length = 1 << log2;
      for (int k = 0; k < length; ++k) {
        for (int n = 0; n < length; ++n)
          mean[log2 - 2][k][n / 4] += static_cast<float>(
              (k == 0 ? 0.25 : std::sqrt(2.0) / 4) * std::cos(pi * k * (2 * n + 1) / (2 * length)));
      }
    }
  }
};

}  // namespace

// Reads residual_coding() (7.3.8.11) and returns the sum of the dequantised coefficients' absolute
// values, of luma.
template <bool kLuma>
std::uint32_t SliceDecoder::residual(const CodingUnit& cu, int log2, int scan, float* means) {
  // The engine in registers: it would go to memory and back for each bin, as a context's state,
  // being a byte, may alias it.
  Cabac cabac = cabac_;
  ContextVariable* const states = states_.data();

  bool skipped = false;
  if (pps_->transform_skip && !cu.transquant_bypass && log2 == 2)
    skipped = cabac.decode(states[kTransformSkip + (kLuma ? 0 : 1)]);

  const int last_offset = kLuma ? 3 * (log2 - 2) + ((log2 - 1) >> 2) : 15;
  const int last_shift = kLuma ? (log2 + 1) >> 2 : log2 - 2;
  const int last_max = 2 * log2 - 1;
  int last_x = 0, last_y = 0;
  while (last_x < last_max && cabac.decode(states[kLastX + last_offset + (last_x >> last_shift)]))
    ++last_x;
  while (last_y < last_max && cabac.decode(states[kLastY + last_offset + (last_y >> last_shift)]))
    ++last_y;
  for (int* last : {&last_x, &last_y}) {
    if (*last > 3) {
      const int length = (*last >> 1) - 1;
      *last = ((2 + (*last & 1)) << length) + static_cast<int>(cabac.bypass(length));
    }
  }
  if (scan == kVertical) std::swap(last_x, last_y);

  const std::uint8_t* const block_order = kScan.block[scan][log2 - 2];
  const int last_block = kScan.block_rank[scan][log2 - 2][(last_y >> 2) * 8 + (last_x >> 2)];
  const int last_rank = kScan.rank[scan][(last_y & 3) * 4 + (last_x & 3)];

  // Dequantisation (8.6.4.2).
  std::uint64_t scale = 0;
  int shift = 0;
  const bool flat = flat_;
  if constexpr (kLuma) {
    const int qp = qp_ + sps_->qp_offset();
    scale = static_cast<std::uint64_t>(kLevelScale[qp % 6]) << (qp / 6) << (flat ? 4 : 0);
    shift = sps_->bit_depth_luma + log2 - 5;
    if (cu.transquant_bypass) {
      scale = 1;
      shift = 0;
    }
  }
  const auto dequantised = [&](std::uint32_t level, std::uint64_t factor) {
    const std::uint64_t value =
        (std::min<std::uint32_t>(level, 32768) * factor + (std::uint64_t{1} << shift >> 1)) >>
        shift;
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(value, 32767));
  };
  const std::uint32_t one = dequantised(1, scale), two = dequantised(2, scale);
  std::uint32_t sum = 0;

  std::uint8_t coded_rows[9] = {};  // coded_sub_block_flag: a bit for each column
  int greater1 = 1;
  for (int i = last_block; i >= 0; --i) {
    const int block_x = block_order[i] & 7, block_y = block_order[i] >> 3;
    const int right = coded_rows[block_y] >> (block_x + 1) & 1;
    const int below = coded_rows[block_y + 1] >> block_x & 1;
    const bool inner = i < last_block && i > 0;
    if (inner && !cabac.decode(states[kCodedSubBlock + (right | below) + (kLuma ? 0 : 2)]))
      continue;
    coded_rows[block_y] = static_cast<std::uint8_t>(coded_rows[block_y] | 1 << block_x);

    // sig_coeff_flag
    std::uint8_t rank[16];
    int count = 0, at = 15;
    if (i == last_block) {
      rank[count++] = static_cast<std::uint8_t>(last_rank);
      at = last_rank - 1;
    }
    const std::uint8_t* context;
    ContextVariable* significant = states + kSignificant + (kLuma ? 0 : 27);
    ContextVariable* const significant_dc = significant;
    if (log2 == 2) {
      context = kScan.context4[scan];
    } else {
      context = kScan.context[scan][right | below << 1];
      if (kLuma) {
        significant += (log2 == 3 ? (scan == kDiagonal ? 9 : 15) : 21) + (i > 0 ? 3 : 0);
      } else {
        significant += log2 == 3 ? 9 : 12;
      }
    }
    for (; at > 0; --at) {
      rank[count] = static_cast<std::uint8_t>(at);
      count += cabac.decode(significant[context[at]]) ? 1 : 0;
    }
    if (at == 0) {
      rank[count] = 0;
      if (inner && count == 0) {
        count = 1;
      } else {
        count += cabac.decode(i == 0 ? *significant_dc : significant[context[0]]) ? 1 : 0;
      }
    }
    if (count == 0) continue;

    // coeff_abs_level_greater1_flag, coeff_abs_level_greater2_flag
    const int set = (i == 0 || !kLuma ? 0 : 2) + (greater1 == 0 ? 1 : 0);
    ContextVariable* const greater1_states = states + kGreater1 + (kLuma ? 0 : 16) + set * 4;
    greater1 = 1;
    unsigned above1 = 0;
    const int flagged = std::min(count, 8);
    for (int k = 0; k < flagged; ++k) {
      if (cabac.decode(greater1_states[greater1])) {
        greater1 = 0;
        above1 |= 1u << k;
      } else if (greater1 > 0 && greater1 < 3) {
        ++greater1;
      }
    }
    const unsigned first = above1 & (0u - above1);
    bool above2 = false;
    if (first != 0) above2 = cabac.decode(states[kGreater2 + (kLuma ? 0 : 4) + set]);

    // coeff_sign_flag, and those coefficients that have a coeff_abs_level_remaining
    const bool hidden = pps_->sign_hiding && !cu.transquant_bypass && rank[0] - rank[count - 1] > 3;
    const std::uint32_t signs = cabac.bypass(count - (hidden ? 1 : 0));
    const unsigned beyond = ((1u << count) - 1) & ~0xffu;
    unsigned more = (above1 & ~first) | (above2 ? first : 0) | beyond;
    std::uint32_t levels[16];
    if constexpr (kLuma) {
      if (flat) {
        const int twos = first != 0 && !above2 ? 1 : 0;
        const int ones = count - __builtin_popcount(more) - twos;
        sum += static_cast<std::uint32_t>(ones) * one + static_cast<std::uint32_t>(twos) * two;
      }
      if (!flat || means != nullptr)
        for (int k = 0; k < count; ++k) levels[k] = (above1 >> k & 1) != 0 ? 2 : 1;
    }
    int rice = 0;
    for (; more != 0; more &= more - 1) {
      const int k = __builtin_ctz(more);
      const std::uint32_t base = k >= 8 ? 1 : (first >> k & 1) != 0 ? 3 : 2;
      const std::uint32_t level = base + cabac.remaining(rice);
      if (level > 3u << rice) rice = std::min(rice + 1, 4);
      if constexpr (kLuma) {
        if (flat) sum += dequantised(level, scale);
        if (!flat || means != nullptr) levels[k] = level;
      }
    }
    if constexpr (kLuma) {
      if (!flat)
        sum += weighted_levels(cu, log2, scan, block_order[i], rank, levels, count, scale, shift);
      if (means != nullptr) {
        std::uint32_t negative = hidden ? signs << 1 : signs;  // the first coefficient's highest
        if (hidden) {
          for (int k = 0; k < count; ++k) negative ^= levels[k] & 1;
        }
        add_means(cu, log2, scan, block_order[i], rank, levels, negative, count, scale, shift,
                  skipped, means);
      }
    }
  }
  cabac_ = cabac;
  return sum;
}

// The sum of a sub-block's dequantised coefficients where scaling lists weigh them.
std::uint32_t SliceDecoder::weighted_levels(const CodingUnit& cu, int log2, int scan, int block,
                                            const std::uint8_t* rank, const std::uint32_t* levels,
                                            int count, std::uint64_t scale, int shift) const {
  const auto size = static_cast<std::size_t>(log2 - 2),
             inter = static_cast<std::size_t>(cu.intra ? 0 : 1);
  std::uint32_t sum = 0;
  for (int k = 0; k < count; ++k) {
    const int position = kScan.position[scan][rank[k]];
    const int x = (block & 7) * 4 + (position & 3), y = (block >> 3) * 4 + (position >> 2);
    std::uint64_t factor = 1;
    if (!cu.transquant_bypass) {
      const int ratio = std::max(0, log2 - 3), side = log2 == 2 ? 4 : 8;
      factor = x + y == 0 ? scaling_->dc[size][inter]
                          : scaling_->factors[size][inter][static_cast<std::size_t>(
                                (y >> ratio) * side + (x >> ratio))];
    }
    const std::uint64_t value = (std::min<std::uint32_t>(levels[k], 32768) * factor * scale +
                                 (std::uint64_t{1} << shift >> 1)) >>
                                shift;
    sum += static_cast<std::uint32_t>(std::min<std::uint64_t>(value, 32767));
  }
  return sum;
}

// Adds what a sub-block's coefficients contribute to the means of the transform block's 4x4 blocks
// (8.6.4). `negative`: a sign for each, the first one's highest.
void SliceDecoder::add_means(const CodingUnit& cu, int log2, int scan, int block,
                             const std::uint8_t* rank, const std::uint32_t* levels,
                             std::uint32_t negative, int count, std::uint64_t scale, int shift,
                             bool skipped, float* means) const {
  static const BasisMeans kBasis;
  if (cu.transquant_bypass) return tracker_->fail();
  const int side4 = 1 << (log2 - 2);
  const auto size = static_cast<std::size_t>(log2 - 2);
  const auto unit = static_cast<float>(std::uint64_t{128} << shift);
  for (int k = 0; k < count; ++k) {
    const int position = kScan.position[scan][rank[k]];
    const int x = (block & 7) * 4 + (position & 3), y = (block >> 3) * 4 + (position >> 2);
    std::uint64_t factor = scale;
    if (!flat_) {
      const int ratio = std::max(0, log2 - 3), side = log2 == 2 ? 4 : 8;
      const auto inter = static_cast<std::size_t>(cu.intra ? 0 : 1);
      factor *= x + y == 0 ? scaling_->dc[size][inter]
                           : scaling_->factors[size][inter][static_cast<std::size_t>(
                                 (y >> ratio) * side + (x >> ratio))];
    }
    const auto level = static_cast<float>(std::min<std::uint32_t>(levels[k], 32768));
    const float magnitude = level * static_cast<float>(factor) / unit;
    const float value = (negative >> (count - 1 - k) & 1) != 0 ? -magnitude : magnitude;
    if (log2 == 2 && (skipped || cu.intra)) {
      *means += value * (skipped ? 0.25f : kBasis.sine[x] * kBasis.sine[y]);
      continue;
    }
    for (int row = 0; row < side4; ++row)
      for (int column = 0; column < side4; ++column)
        means[row * kMeans + column] +=
            value * kBasis.mean[size][y][row] * kBasis.mean[size][x][column];
  }
}

template std::uint32_t SliceDecoder::residual<true>(const CodingUnit&, int, int, float*);
template std::uint32_t SliceDecoder::residual<false>(const CodingUnit&, int, int, float*);

}  // namespace costream::h265
