// Follows the mean luma of a picture's blocks through pictures that are not decoded.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

namespace costream {

// What explicit weighted prediction makes of a predicted sample.
struct Weight {
  float scale = 1, offset = 0;
  bool plain() const { return scale == 1 && offset == 0; }
};

// Begins with a decoded picture. Pictures that follow are told block by block, in decoding order:
// where they are predicted from, and the mean of their residual. A block that stands still is not
// told of and keeps its mean. For one without motion the mean is exact but for the loop filters,
// which hardly change means. For others it is an estimate: what is predicted is taken to look like
// the first picture does there, but for the difference of its blocks' means since.
class Tracker {
 public:
  // What follows is compared with this picture: 8 bit luma samples, row by row `stride` apart.
  void start(const std::uint8_t* luma, std::ptrdiff_t stride, int width, int height) {
    if (width < 1 || height < 1) return fail();
    width_ = width;
    height_ = height;
    columns_ = (width + 3) / 4;
    rows_ = (height + 3) / 4;
    luma_.resize(16 * static_cast<std::size_t>(columns_) * static_cast<std::size_t>(rows_));
    base_.assign(luma_.size() / 16, 0.0f);
    take(luma, stride);
    first_ = last_;
  }

  // A later picture was decoded after all: it is exactly known, and what follows is predicted from
  // it, but still compared with the first one.
  void restart(const std::uint8_t* luma, std::ptrdiff_t stride, int width, int height) {
    if (width != width_ || height != height_) return fail();
    take(luma, stride);
    for (std::size_t at = 0; at < base_.size(); ++at) base_[at] = last_[at] - first_[at];
  }

  // The largest difference of the mean of 8x8 samples of a decoded picture from the first one's;
  // infinity where they are not of one size. Nothing of it is an estimate.
  float change(const std::uint8_t* luma, std::ptrdiff_t stride, int width, int height) const {
    return largest_difference(luma, stride, width, height, [this](std::size_t at) {
      return 16 * first_[at];
    });
  }

  // The largest difference of the mean of 8x8 samples of a decoded picture from what is expected by
  // now; infinity where nothing is.
  float surprise(const std::uint8_t* luma, std::ptrdiff_t stride, int width, int height) const {
    if (failed()) return std::numeric_limits<float>::infinity();
    return largest_difference(luma, stride, width, height, [this](std::size_t at) {
      return 16 * (last_[at] + delta_[at]);
    });
  }

  // An intra picture follows that isn't told of, but looks like the one before as far as is known.
  // The error of its coding isn't known, and what comes after makes up for it, over and over: only
  // the means of 32x32 samples, in which it cancels, are carried on.
  void carry() {
    constexpr int kSide = 8;
    for (int top = 0; top < rows_; top += kSide) {
      for (int left = 0; left < columns_; left += kSide) {
        const int bottom = std::min(top + kSide, rows_), right = std::min(left + kSide, columns_);
        for (std::vector<float>* plane : {&base_, &delta_}) {
          float sum = 0;
          for (int row = top; row < bottom; ++row)
            for (int column = left; column < right; ++column) sum += (*plane)[index(column, row)];
          const float mean = sum / static_cast<float>((bottom - top) * (right - left));
          for (int row = top; row < bottom; ++row)
            std::fill_n(plane->begin() + static_cast<std::ptrdiff_t>(index(left, row)),
                        right - left, mean);
        }
      }
    }
    std::fill(doubt_.begin(), doubt_.end(), std::uint8_t{0});
  }

  // A coded picture begins, with the samples that are cropped off to the left and above. False:
  // its blocks are not those of the picture it is to be compared with.
  bool begin(int width, int height, int crop_left, int crop_top) {
    if (width != width_ || height != height_ || crop_left != 0 || crop_top != 0) fail();
    return !failed();
  }
  // It ended: says what it changed.
  void end() {
    for (const std::uint32_t at : touched_) worst_ = std::max(worst_, difference(at));
    touched_.clear();
  }
  // Something is not known: no conclusion can be drawn before the next start.
  void fail() { worst_ = std::numeric_limits<float>::infinity(); }
  bool failed() const { return std::isinf(worst_); }

  // The largest difference of the mean of 8x8 samples from the first picture's, in luma steps,
  // less what the loop filter may account for: by now, and at the end of any picture since the last
  // one that was decoded, of blocks that it was told of.
  float difference() const {
    if (failed()) return worst_;
    const int pairs = columns_ / 2;
    // Maxima of columns first: compilers make vectors of these.
    std::vector<float> largest(static_cast<std::size_t>(pairs) + 1, 0.0f);
    for (int row = 0; row < rows_; row += 2) {
      if (row + 1 < rows_) {
        const float* const base = base_.data() + index(0, row);
        const float* const delta = delta_.data() + index(0, row);
        const std::uint8_t* const doubt = doubt_.data() + index(0, row);
        for (int pair = 0; pair < pairs; ++pair) {
          float sum = 0;
          int unsure = 0;
          const int left = 2 * pair, below = left + columns_;
          for (const int at : {left, left + 1, below, below + 1}) {
            sum += base[at] + delta[at];
            unsure += doubt[at];
          }
          const float least = (std::abs(sum) - static_cast<float>(unsure) / 8) / 4;
          float& most = largest[static_cast<std::size_t>(pair)];
          most = most < least ? least : most;
        }
      }
      // Half cells at the borders.
      for (int column = row + 1 < rows_ ? 2 * pairs : 0; column < columns_; column += 2) {
        const auto at = static_cast<std::uint32_t>(index(column, row));
        largest.back() = std::max(largest.back(), difference(at));
      }
    }
    return *std::max_element(largest.begin(), largest.end());
  }
  float worst() const { return worst_; }
  int columns() const { return columns_; }
  int rows() const { return rows_; }
  const std::vector<float>& deltas() const { return delta_; }

  // The mean of the 4x4 block, and that of its lowest row and its last column. Those behind the
  // borders are like those at them.
  float mean(int column, int row) const {
    column = std::clamp(column, 0, columns_ - 1);
    row = std::clamp(row, 0, rows_ - 1);
    return last_[index(column, row)] + delta_[index(column, row)];
  }
  float lower_edge(int column, int row) const { return box(column, row, 0, 4, 3, 4); }
  float right_edge(int column, int row) const { return box(column, row, 3, 4, 0, 4); }

  // A sample, as far as it is known; those behind the borders are like those at them.
  float at(int x, int y) const {
    x = std::clamp(x, 0, 4 * columns_ - 1);
    y = std::clamp(y, 0, 4 * rows_ - 1);
    return static_cast<float>(luma_[static_cast<std::size_t>(y) * 4 *
                                        static_cast<std::size_t>(columns_) +
                                    static_cast<std::size_t>(x)]) +
           delta_[index(x >> 2, y >> 2)];
  }

  // The mean of 4x4 samples that begin `x`, `y` quarters of a sample from the block's.
  float moved(int column, int row, int x, int y) const {
    if ((x | y) == 0) return mean(column, row);
    const auto weights = [](int fraction, float (&to)[5]) {
      const float part = static_cast<float>(fraction) / 16;
      to[0] = 0.25f - part, to[1] = to[2] = to[3] = 0.25f, to[4] = part;
    };
    float across[5], down[5];
    weights(x & 3, across);
    weights(y & 3, down);
    const int left = 4 * column + (x >> 2), top = 4 * row + (y >> 2);
    float sum = 0;
    for (int i = 0; i < 5; ++i) {
      const std::uint8_t* const line =
          luma_.data() + static_cast<std::ptrdiff_t>(std::clamp(top + i, 0, 4 * rows_ - 1)) * 4 *
                             columns_;
      float part = 0;
      for (int j = 0; j < 5; ++j)
        part += across[j] * static_cast<float>(line[std::clamp(left + j, 0, 4 * columns_ - 1)]);
      sum += down[i] * part;
    }
    column += x >> 4;
    row += y >> 4;
    const float right = static_cast<float>(x & 15) / 16, below = static_cast<float>(y & 15) / 16;
    sum += (delta(column, row) * (1 - right) + delta(column + 1, row) * right) * (1 - below);
    sum += (delta(column, row + 1) * (1 - right) + delta(column + 1, row + 1) * right) * below;
    return sum;
  }
  // The block's new mean. Blocks of a coded picture that are cropped off are left out.
  void set(int column, int row, float value) {
    if (column >= columns_ || row >= rows_) return;
    delta_[index(column, row)] += std::clamp(value, 0.0f, 255.0f) - mean(column, row);
    const auto cell = static_cast<std::uint32_t>(index(column & ~1, row & ~1));
    if (touched_.empty() || touched_.back() != cell) touched_.push_back(cell);
  }
  // Likewise of an intra block, whose mean the loop filter may move: next to an edge of blocks that
  // are much alike it replaces a sample by its neighbourhood's mean, by up to a quarter of what the
  // two differ by, one sample in four; and it may have moved likewise what the block is predicted
  // from.
  void set_intra(int column, int row, float value) {
    if (column >= columns_ || row >= rows_) return;
    set(column, row, value);
    const std::uint8_t* line = sample(column, row);
    int low = 255, high = 0;
    for (int y = 0; y < 4; ++y, line += 4 * columns_) {
      for (int x = 0; x < 4; ++x) {
        low = std::min<int>(low, line[x]);
        high = std::max<int>(high, line[x]);
      }
    }
    doubt_[index(column, row)] = static_cast<std::uint8_t>(high - low);
  }
  // Adds to the samples of a block what belongs to their bands: offsets of four bands of eight
  // steps, from band `first` on.
  void offset_bands(int column, int row, int first, const int (&offsets)[4]) {
    if (column >= columns_ || row >= rows_) return;
    const auto shift = static_cast<int>(std::lround(delta(column, row)));
    const std::uint8_t* line = sample(column, row);
    int sum = 0;
    for (int y = 0; y < 4; ++y, line += 4 * columns_) {
      for (int x = 0; x < 4; ++x) {
        const int band = (std::clamp(line[x] + shift, 0, 255) >> 3) - first;
        if (band >= 0 && band < 4) sum += offsets[band];
      }
    }
    if (sum != 0) set(column, row, mean(column, row) + static_cast<float>(sum) / 16);
  }

 private:
  // Of the means of 8x8 samples, from what `sum` says that 4x4 of them add up to.
  template <typename Sum>
  float largest_difference(const std::uint8_t* luma, std::ptrdiff_t stride, int width, int height,
                           Sum sum) const {
    if (width != width_ || height != height_) return std::numeric_limits<float>::infinity();
    const auto pairs = static_cast<std::size_t>(width / 8);
    std::vector<std::uint16_t> down(8 * pairs);
    float largest = 0;
    for (int row = 0; row + 1 < height / 4; row += 2) {
      // Columns first: compilers make vectors of these.
      std::fill(down.begin(), down.end(), std::uint16_t{0});
      for (int y = 0; y < 8; ++y) {
        const std::uint8_t* const line = luma + (4 * row + y) * stride;
        for (std::size_t x = 0; x < down.size(); ++x)
          down[x] = static_cast<std::uint16_t>(down[x] + line[x]);
      }
      const std::size_t upper = index(0, row), lower = index(0, row + 1);
      for (std::size_t pair = 0; pair < pairs; ++pair) {
        int now = 0;
        for (std::size_t x = 0; x < 8; ++x) now += down[8 * pair + x];
        const std::size_t at = 2 * pair;
        const float then =
            sum(upper + at) + sum(upper + at + 1) + sum(lower + at) + sum(lower + at + 1);
        largest = std::max(largest, std::abs(static_cast<float>(now) - then));
      }
    }
    return largest / 64;
  }
  // What comes next is predicted from a decoded picture of the size at hand. Blocks are whole, the
  // last ones filled up with their last samples.
  void take(const std::uint8_t* luma, std::ptrdiff_t stride) {
    for (int y = 0; y < 4 * rows_; ++y) {
      std::uint8_t* const to = luma_.data() + static_cast<std::ptrdiff_t>(y) * 4 * columns_;
      std::memcpy(to, luma + std::min(y, height_ - 1) * stride, static_cast<std::size_t>(width_));
      std::memset(to + width_, to[width_ - 1], static_cast<std::size_t>(4 * columns_ - width_));
    }
    last_.resize(luma_.size() / 16);
    std::vector<std::uint16_t> down(4 * static_cast<std::size_t>(columns_));
    for (int row = 0; row < rows_; ++row) {
      // Columns first: compilers make vectors of these.
      const std::uint8_t* const lines = sample(0, row);
      for (std::size_t x = 0; x < down.size(); ++x)
        down[x] = static_cast<std::uint16_t>(lines[x] + lines[x + down.size()] +
                                             lines[x + 2 * down.size()] +
                                             lines[x + 3 * down.size()]);
      for (int column = 0; column < columns_; ++column) {
        const std::uint16_t* const four = down.data() + 4 * column;
        last_[index(column, row)] = static_cast<float>(four[0] + four[1] + four[2] + four[3]) / 16;
      }
    }
    delta_.assign(last_.size(), 0.0f);
    doubt_.assign(delta_.size(), 0);
    touched_.clear();
    worst_ = 0;
  }
  std::size_t index(int column, int row) const {
    return static_cast<std::size_t>(row) * static_cast<std::size_t>(columns_) +
           static_cast<std::size_t>(column);
  }
  float delta(int column, int row) const {
    column = std::clamp(column, 0, columns_ - 1);
    row = std::clamp(row, 0, rows_ - 1);
    return delta_[index(column, row)];
  }
  const std::uint8_t* sample(int column, int row) const {
    return luma_.data() + (static_cast<std::ptrdiff_t>(row) * 4 * columns_ + column) * 4;
  }
  // The mean of a part of the block's samples, by now and of the picture that was decoded last.
  float box(int column, int row, int left, int right, int top, int bottom) const {
    column = std::clamp(column, 0, columns_ - 1);
    row = std::clamp(row, 0, rows_ - 1);
    return decoded_box(column, row, left, right, top, bottom) + delta_[index(column, row)];
  }
  float decoded_box(int column, int row, int left, int right, int top, int bottom) const {
    const std::uint8_t* const first = sample(column, row);
    int sum = 0;
    for (int y = top; y < bottom; ++y)
      for (int x = left; x < right; ++x) sum += first[y * 4 * columns_ + x];
    return static_cast<float>(sum) / static_cast<float>((right - left) * (bottom - top));
  }
  // Of the four blocks whose first one is at `at`, as many as there are.
  float difference(std::uint32_t at) const {
    const auto columns = static_cast<std::uint32_t>(columns_);
    const std::uint32_t column = at % columns, row = at / columns;
    float sum = 0, doubt = 0;
    int count = 0;
    for (std::uint32_t y = row; y < std::min(row + 2, static_cast<std::uint32_t>(rows_)); ++y) {
      for (std::uint32_t x = column; x < std::min(column + 2, columns); ++x, ++count) {
        sum += base_[y * columns + x] + delta_[y * columns + x];
        doubt += static_cast<float>(doubt_[y * columns + x]) / 8;
      }
    }
    return std::max(0.0f, std::abs(sum) - doubt) / static_cast<float>(count);
  }

  int width_ = 0, height_ = 0;      // luma samples
  int columns_ = 0, rows_ = 0;      // 4x4 blocks
  std::vector<std::uint8_t> luma_;  // of the picture that was decoded last
  std::vector<float> last_;         // means of its blocks
  std::vector<float> first_;        // those of the picture that is compared with
  std::vector<float> base_;         // what lies between the two, as far as it is known
  std::vector<float> delta_;        // of the blocks' means since
  std::vector<std::uint8_t> doubt_;  // contrast of the blocks that were intra since
  std::vector<std::uint32_t> touched_;  // by the picture at hand: of four blocks, the first
  float worst_ = std::numeric_limits<float>::infinity();
};

}  // namespace costream
