#include "tracking.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "scan.h"

namespace costream::h264 {
namespace {

// Intra4x4PredMode and Intra8x8PredMode (tables 8-2 and 8-3).
constexpr std::uint8_t kVertical = 0;
constexpr std::uint8_t kHorizontal = 1;
constexpr std::uint8_t kDc = 2;
constexpr std::uint8_t kDiagonalDownLeft = 3;
constexpr std::uint8_t kDiagonalDownRight = 4;
constexpr std::uint8_t kVerticalRight = 5;
constexpr std::uint8_t kHorizontalDown = 6;
constexpr std::uint8_t kVerticalLeft = 7;
constexpr std::uint8_t kHorizontalUp = 8;

// Intra16x16PredMode (table 8-4), whose first ones are the same.
constexpr std::uint8_t kPlane = 3;

// A sample of a block predicted along a direction (8.3.1.2, 8.3.2.2). `border` is the corner; the
// samples above follow it, those to the left go before it, downwards.
float predict_direction(int mode, int x, int y, const float* border) {
  float at = 0;  // along the border
  switch (mode) {
    case kVertical: at = static_cast<float>(x + 1); break;
    case kHorizontal: at = -static_cast<float>(y + 1); break;
    case kDiagonalDownLeft: at = static_cast<float>(x + y + 2); break;
    case kDiagonalDownRight: at = static_cast<float>(x - y); break;
    case kVerticalRight: at = static_cast<float>(2 * x - y + 1) / 2; break;
    case kHorizontalDown: at = -static_cast<float>(2 * y - x + 1) / 2; break;
    case kVerticalLeft: at = static_cast<float>(2 * x + y + 3) / 2; break;
    case kHorizontalUp:
    default: at = -static_cast<float>(2 * y + x + 3) / 2; break;
  }
  const float floor = std::floor(at);
  const auto first = static_cast<std::ptrdiff_t>(floor);
  if (at != floor) return (border[first] + border[first + 1]) / 2;
  if (mode == kVertical || mode == kHorizontal) return border[first];
  return (border[first - 1] + 2 * border[first] + border[first + 1]) / 4;
}

}  // namespace

MacroblockTracking::MacroblockTracking(const SliceState& state) : state_(state) {
  for (const auto& list : state.slice.header->weights) plain_ &= list[0].plain();
}

// Only the first coefficient has a mean (8.5.12).
void MacroblockTracking::take_4x4(int block, const std::uint16_t* scale) {
  means_[block] +=
      std::ldexp(static_cast<float>(levels_[0]) * scale[0], state_.luma_qp() / 6 - 10);
  discard_4x4();
}

void MacroblockTracking::discard_4x4() { std::fill_n(levels_, 16, 0); }

// Each quarter of an 8x8 block: of the basis functions along either side the first one and the odd
// ones have means over half of it (8.5.13).
void MacroblockTracking::take_8x8(int block, const std::uint16_t* scale) {
  static constexpr float kHalf[8] = {1, 31 / 32.0f, 0, -11 / 32.0f, 0, 7 / 32.0f, 0, -5 / 32.0f};
  float quarters[2][2] = {};
  for (std::size_t at = 0; at < 64; ++at) {
    if (levels_[at] == 0) continue;
    const int row = kScan8x8[at] / 8, column = kScan8x8[at] % 8;
    const float value = static_cast<float>(levels_[at]) * scale[at] * kHalf[row] * kHalf[column];
    levels_[at] = 0;
    for (int y = 0; y < 2; ++y)
      for (int x = 0; x < 2; ++x)
        quarters[y][x] += ((row & y) ^ (column & x)) != 0 ? -value : value;
  }
  float* const to = means_ + 4 * (block & 2) + 2 * (block & 1);
  for (int y = 0; y < 2; ++y)
    for (int x = 0; x < 2; ++x)
      to[4 * y + x] += std::ldexp(quarters[y][x], state_.luma_qp() / 6 - 12);
}

// The first coefficients of Intra16x16's 4x4 blocks (8.5.10).
void MacroblockTracking::take_dc(const std::uint16_t* scale) {
  static constexpr std::int8_t kSigns[4][4] = {
      {1, 1, 1, 1}, {1, 1, -1, -1}, {1, -1, -1, 1}, {1, -1, 1, -1}};
  for (std::size_t at = 0; at < 16; ++at) {
    if (levels_[at] == 0) continue;
    const int row = kScan4x4[at] / 4, column = kScan4x4[at] % 4;
    const float value =
        std::ldexp(static_cast<float>(levels_[at]) * scale[0], state_.luma_qp() / 6 - 12);
    levels_[at] = 0;
    for (int y = 0; y < 4; ++y)
      for (int x = 0; x < 4; ++x)
        means_[4 * y + x] += value * static_cast<float>(kSigns[row][y] * kSigns[column][x]);
  }
}

void MacroblockTracking::report(Mode mode) {
  if (mode == Mode::kSkip && state_.current->still && plain_) return;
  if (mode != Mode::kIntra)
    report_inter();
  else if (intra_type_ == kIntraNxN)
    report_intra_nxn();
  else
    report_intra_16x16();
}

void MacroblockTracking::report_inter() {
  Tracker& tracker = *state_.tracker;
  const bool coded = (state_.current->pattern & 15) != 0;
  for (int y = 0; y < 4; ++y) {
    const Motion* motion = state_.picture.motion.data() + state_.corner + y * state_.columns;
    for (int x = 0; x < 4; ++x, ++motion) {
      const int column = 4 * state_.x + x, row = 4 * state_.y + y;
      const bool coded_block = coded && means_[4 * y + x] != 0;
      float sum = 0;
      int used = 0;
      bool moving = false;
      for (int list = 0; list < 2; ++list) {
        const int reference = state_.current->reference[list][(y & 2) + (x >> 1)];
        if (reference < 0) continue;
        const Weight& weight = state_.slice.header->weights[list][reference];
        const std::int16_t* vector =
            state_.current->still ? kNoMotion.vector[list] : motion->vector[list];
        moving |= vector[0] != 0 || vector[1] != 0 || !weight.plain();
        const float moved = tracker.moved(column, row, vector[0], vector[1]);
        sum += moved * weight.scale + weight.offset;
        ++used;
      }
      if ((!moving && !coded_block) || used == 0) continue;
      const float residual = coded ? means_[4 * y + x] : 0;
      tracker.set(column, row, sum / static_cast<float>(used) + residual);
    }
  }
}

// Intra16x16 (8.3.3): prediction from the rows of blocks around, as far as there are any.
void MacroblockTracking::report_intra_16x16() {
  Tracker& tracker = *state_.tracker;
  const bool left = state_.left != &kOutsideIntra, above = state_.above != &kOutsideIntra;
  float rows[4], columns[4], total = 0;
  for (int at = 0; at < 4; ++at) {
    rows[at] = left ? tracker.right_edge(4 * state_.x - 1, 4 * state_.y + at) : 0;
    columns[at] = above ? tracker.lower_edge(4 * state_.x + at, 4 * state_.y - 1) : 0;
    total += rows[at] + columns[at];
  }
  const float level = left || above ? total / (4.0f * static_cast<float>(left + above)) : 128;
  const int mode = intra_16x16_mode(intra_type_);
  // The plane's slopes, b and c of 8.3.3.4, and its value in the middle.
  float slope_x = 0, slope_y = 0, middle = 0;
  if (mode == kPlane) {
    const int x = 16 * state_.x, y = 16 * state_.y;
    for (int at = 1; at <= 8; ++at) {
      const auto weight = static_cast<float>(5 * at) / 2048;
      slope_x += weight * (tracker.at(x + 7 + at, y - 1) - tracker.at(x + 7 - at, y - 1));
      slope_y += weight * (tracker.at(x - 1, y + 7 + at) - tracker.at(x - 1, y + 7 - at));
    }
    middle = (tracker.at(x - 1, y + 15) + tracker.at(x + 15, y - 1)) / 2;
  }
  for (int y = 0; y < 4; ++y) {
    for (int x = 0; x < 4; ++x) {
      float predicted = level;
      if (mode == kVertical) predicted = columns[x];
      if (mode == kHorizontal) predicted = rows[y];
      if (mode == kPlane)
        predicted = middle + slope_x * (4 * static_cast<float>(x) - 5.5f) +
                    slope_y * (4 * static_cast<float>(y) - 5.5f);
      tracker.set_intra(4 * state_.x + x, 4 * state_.y + y, predicted + means_[4 * y + x]);
    }
  }
}

// 8.3.1.1 and 8.3.2.1, where a neighbour that isn't predicted like this counts as DC.
void MacroblockTracking::take_intra_modes(const int (&codes)[16], int count) {
  const auto stored = [this](const Macroblock* macroblock, std::uint32_t address) {
    constexpr std::array<std::uint8_t, 8> kNone = {kDc, kDc, kDc, kDc, kDc, kDc, kDc, kDc};
    const bool has = macroblock != &kOutsideIntra && (macroblock->flags & Macroblock::kIntraNxN);
    return has ? state_.canvas.intra_modes[address] : kNone;
  };
  const auto left = stored(state_.left, state_.address - 1);
  const auto width = static_cast<std::uint32_t>(state_.canvas.width);
  const auto above = stored(state_.above, state_.address - width);
  const int size = count == 4 ? 2 : 1;
  for (int at = 0; at < 16; at += size * size) {
    const int x = kBlockX[at], y = kBlockY[at];
    // Without a macroblock to one side both count as DC.
    const bool inside =
        (x > 0 || state_.left != &kOutsideIntra) && (y > 0 || state_.above != &kOutsideIntra);
    const auto a = x > 0 ? modes_[4 * y + x - 1] : left[static_cast<std::size_t>(y)];
    const auto b = y > 0 ? modes_[4 * y + x - 4] : above[static_cast<std::size_t>(4 + x)];
    const int predicted = inside ? std::min(a, b) : kDc;
    const int code = codes[at / (size * size)];
    const int mode = code < 0 ? predicted : code < predicted ? code : code + 1;
    for (int row = y; row < y + size; ++row)
      std::fill_n(modes_ + 4 * row + x, size, static_cast<std::uint8_t>(mode));
  }
  auto& kept = state_.canvas.intra_modes[state_.address];
  for (std::size_t side = 0; side < 4; ++side) {
    kept[side] = modes_[4 * side + 3];
    kept[4 + side] = modes_[12 + side];
  }
}

// Intra4x4 (8.3.1) and Intra8x8 (8.3.2).
void MacroblockTracking::report_intra_nxn() {
  Tracker& tracker = *state_.tracker;
  const int size = (state_.current->flags & Macroblock::kTransform8x8) != 0 ? 2 : 1;
  const int length = 4 * size;
  for (int block = 0; block < 16; block += size * size) {
    const int x = kBlockX[block], y = kBlockY[block];
    const int left_x = 16 * state_.x + 4 * x, top_y = 16 * state_.y + 4 * y;
    const bool left = x > 0 || state_.left != &kOutsideIntra;
    const bool above = y > 0 || state_.above != &kOutsideIntra;
    // What is above to the right has been decoded or is like the last sample above.
    const bool right = y == 0 ? above && (x + size < 4 || state_.above_right != &kOutsideInter)
                              : x + size < 4 && (size == 2 || (block & 3) != 3) &&
                                    (size == 1 || block == 8);
    // Twice the length to either side, and one more for interpolation.
    float samples[36];
    float* const border = samples + 17;
    float total = 0;
    border[0] = tracker.at(left_x - 1, top_y - 1);
    for (int at = 0; at <= 2 * length; ++at) {
      const int down = std::min(at, length - 1);
      border[-1 - at] = tracker.at(left_x - 1, top_y + down);
      const int across = right ? std::min(at, 2 * length - 1) : down;
      border[1 + at] = tracker.at(left_x + across, top_y - 1);
      if (at < length) total += (left ? border[-1 - at] : 0) + (above ? border[1 + at] : 0);
    }
    const float level = left || above ? total / static_cast<float>(length * (left + above)) : 128;
    if (size == 2) {  // reference sample filtering (8.3.2.2.1)
      float before = samples[0];
      for (int at = 1; at < 34; ++at) {
        const float smooth = (before + 2 * samples[at] + samples[at + 1]) / 4;
        before = samples[at];
        samples[at] = smooth;
      }
    }
    const int mode = modes_[4 * y + x];
    for (int row = 0; row < size; ++row) {
      for (int column = 0; column < size; ++column) {
        float mean = level;
        if (mode != kDc) {
          float sum = 0;
          for (int at = 0; at < 16; ++at)
            sum += predict_direction(mode, 4 * column + (at & 3), 4 * row + (at >> 2), border);
          mean = sum / 16;
        }
        tracker.set_intra(4 * state_.x + x + column, 4 * state_.y + y + row,
                          mean + means_[4 * (y + row) + x + column]);
      }
    }
  }
}

}  // namespace costream::h264
