// Follows the mean luma of a picture's blocks through pictures that are not decoded.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

namespace costream {

// What explicit weighted prediction makes of a predicted sample.
struct Weight {
  float scale = 1, offset = 0;
  bool plain() const { return scale == 1 && offset == 0; }
};

// Begins with a decoded picture. Pictures that follow are reported block by block, in decoding
// order: where a block is predicted from, and the mean of its residual. A block that stands still
// is not reported and keeps its mean. For one without motion the mean is exact but for the loop
// filters, which hardly change means. For others it is an estimate: what is predicted is taken to
// look like the first picture does there, but for the difference of its blocks' means since.
class Tracker {
 public:
  // A picture is sampled by a rule that keeps cells of 8x8 samples whose mean differs by more than
  // `step` from what it kept of them last, in the light of now. What light does is told by the
  // cells that it doesn't keep: by their sum.
  //
  // Returns by how much it differs from the one at which all that is seen came to rest, counted as
  // difference() counts. Where that is more than the limit, it may come to rest from here.
  float see(const std::uint8_t* luma, std::ptrdiff_t stride, int width, int height, float step,
            float limit) {
    const bool known = knows_kept(width, height);
    step_ = step;
    seen_.resize(static_cast<std::size_t>(width / 8) * static_cast<std::size_t>(height / 8));
    float* to = seen_.data();
    each_cell(luma, stride, width, height, [&to](int, int, float mean) { *to++ = mean; });
    lit_ = 0;
    if (!known) {
      kept_ = seen_;
      kept_columns_ = static_cast<std::size_t>(width / 8);
      come_to_rest();
      return std::numeric_limits<float>::infinity();
    }
    const Light changed = light(kept_, [&](std::size_t at) { return seen_[at] - kept_[at]; });
    const float since_kept = changed.factor;
    lit_ = changed.mean;
    in_lanes(seen_.size(), [&](std::size_t at, std::size_t) {
      const float kept = kept_[at] * since_kept;
      kept_[at] = std::abs(seen_[at] - kept) > step ? seen_[at] : kept;
    });
    const float change = largest(
        rest_, [&](std::size_t at) { return seen_[at] - rest_[at]; },
        [](std::size_t) { return 0.0f; }, [&](std::size_t at) { return rest_from_kept_[at]; });
    if (change > limit) come_to_rest();
    return change;
  }

  // By how much the light changed from the picture that was seen before to the one seen last, in the
  // mean of all cells but those of which more changed; infinity: most changed by more.
  float lit() const { return lit_; }

  // What follows is compared with this picture: 8 bit luma samples, row by row `stride` apart. It is
  // the one that was seen last.
  void start(const std::uint8_t* luma, std::ptrdiff_t stride, int width, int height) {
    if (width < 1 || height < 1) return fail();
    if (width != width_ || height != height_) resize(width, height);
    std::fill(base_.begin(), base_.end(), 0.0f);
    std::fill(pending_.begin(), pending_.end(), 0.0f);
    take(luma, stride);
    first_ = last_;
    std::fill(first_cells_.begin(), first_cells_.end(), 0.0f);
    add_to_cells(first_, first_cells_);
    for (std::size_t at = 0; at < shares_.size(); ++at) first_cells_[at] *= shares_[at];
    if (!knows_kept(width, height)) return;
    for (int row = 0; row < height / 8; ++row) {
      const auto from = static_cast<std::size_t>(row) * kept_columns_;
      const std::size_t to = cell(0, 2 * row);
      for (std::size_t at = 0; at < kept_columns_; ++at)
        pending_[to + at] = first_cells_[to + at] - kept_[from + at];
    }
  }

  // A later picture was decoded after all: it is exactly known, and what follows is predicted from
  // it, but still compared with the first one.
  void restart(const std::uint8_t* luma, std::ptrdiff_t stride, int width, int height) {
    if (width != width_ || height != height_) return fail();
    take(luma, stride);
    for (std::size_t at = 0; at < base_.size(); ++at) base_[at] = last_[at] - first_[at];
    add_up();
  }

  // Like difference(), of a decoded picture: nothing of it is an estimate. Infinity where it is not
  // of the first one's size.
  float change(const std::uint8_t* luma, std::ptrdiff_t stride, int width, int height) const {
    if (width != width_ || height != height_) return std::numeric_limits<float>::infinity();
    std::vector<float> by(first_cells_.size(), 0.0f);
    each_cell(luma, stride, width, height, [&](int column, int row, float mean) {
      const std::size_t at = cell(2 * column, 2 * row);
      by[at] = mean - first_cells_[at];
    });
    return largest(
        first_cells_, [&](std::size_t at) { return by[at]; }, [](std::size_t) { return 0.0f; },
        [&](std::size_t at) { return pending_[at]; });
  }

  // An intra picture follows that isn't reported, but looks like the one before as far as is known.
  // The error of its coding isn't known, and what comes after makes up for it, over and over: only
  // the means of 32x32 samples, in which it cancels, are carried on.
  void carry() {
    constexpr int kSide = 8;
    std::vector<float> sums(static_cast<std::size_t>(columns_));
    for (std::vector<float>* plane : {&base_, &delta_}) {
      for (int top = 0; top < rows_; top += kSide) {
        const int bottom = std::min(top + kSide, rows_);
        // Columns first: compilers make vectors of this.
        std::fill(sums.begin(), sums.end(), 0.0f);
        for (int row = top; row < bottom; ++row) {
          const float* const line = plane->data() + index(0, row);
          for (std::size_t column = 0; column < sums.size(); ++column) sums[column] += line[column];
        }
        for (int left = 0; left < columns_; left += kSide) {
          const auto first = sums.begin() + left;
          const int width = std::min(kSide, columns_ - left);
          const float sum = std::accumulate(first, first + width, 0.0f);
          std::fill_n(first, width, sum / static_cast<float>((bottom - top) * width));
        }
        for (int row = top; row < bottom; ++row) {
          const auto to = static_cast<std::ptrdiff_t>(index(0, row));
          std::copy(sums.begin(), sums.end(), plane->begin() + to);
        }
      }
    }
    std::fill(doubt_.begin(), doubt_.end(), std::uint8_t{0});
    std::fill(doubts_.begin(), doubts_.end(), 0.0f);
    add_up();
  }

  // A coded picture begins, with the samples that are cropped off to the left and above. False:
  // its blocks are not those of the picture it is to be compared with.
  bool begin(int width, int height, int crop_left, int crop_top) {
    if (width != width_ || height != height_ || crop_left != 0 || crop_top != 0) fail();
    return !failed();
  }
  // It ended: says what it changed.
  void end() {
    for (const std::uint32_t at : touched_) {
      const float by = std::abs(cells_[at]) - doubts_[at];
      worst_ = std::max(worst_, by * shares_[at]);
    }
    touched_.clear();
  }
  // Something is not known: no conclusion can be drawn before the next start.
  void fail() { worst_ = std::numeric_limits<float>::infinity(); }
  bool failed() const { return std::isinf(worst_); }

  // The largest difference of the mean of 8x8 samples by now from the first picture's, in luma
  // steps, less what the loop filter may account for. Of what light does to the whole picture four
  // fifths count. A cell also counts with the step of see() at least where it has come to differ by
  // more from what was kept of it, and not by a hair.
  float difference() const {
    if (failed()) return worst_;
    return largest(
        first_cells_, [&](std::size_t at) { return cells_[at] * shares_[at]; },
        [&](std::size_t at) { return doubts_[at] * shares_[at]; },
        [&](std::size_t at) { return pending_[at]; });
  }
  // The same without a word of light, at the end of any picture since the last one that was decoded,
  // of blocks that were reported.
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
    const float by = std::clamp(value, 0.0f, 255.0f) - mean(column, row);
    delta_[index(column, row)] += by;
    const auto at = static_cast<std::uint32_t>(cell(column, row));
    cells_[at] += by;
    if (touched_.empty() || touched_.back() != at) touched_.push_back(at);
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
    std::uint8_t& doubt = doubt_[index(column, row)];
    doubts_[cell(column, row)] += static_cast<float>(high - low - doubt) / 8;
    doubt = static_cast<std::uint8_t>(high - low);
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
  // Of a step: what coding noise does to a cell at rest.
  static constexpr float kHair = 0.3f;
  // What light does to the whole picture counts by so much: it may add up to what a rule keeps,
  // where other changes must stay below.
  static constexpr float kLight = 0.8f;
  // What light did to means, by those that changed by no more than a step: the factor, and how much
  // that is in their mean. It is not known where most changed by more, or without a step.
  struct Light {
    float factor = 1, mean = std::numeric_limits<float>::infinity();
  };
  template <typename By>
  Light light(const std::vector<float>& were, By by) const {
    if (std::isinf(step_)) return {};
    float changed[kLanes] = {}, sum[kLanes] = {}, still[kLanes] = {};
    in_lanes(were.size(), [&](std::size_t at, std::size_t lane) {
      const float much = by(at);
      const bool counts = std::abs(much) <= step_;
      changed[lane] += counts ? much : 0;
      sum[lane] += counts ? were[at] : 0;
      still[lane] += counts ? 1 : 0;
    });
    const float all = std::accumulate(sum, sum + kLanes, 0.0f);
    const float cells = std::accumulate(still, still + kLanes, 0.0f);
    if (all <= 0 || 2 * cells < static_cast<float>(were.size())) return {};
    const float by_all = std::accumulate(changed, changed + kLanes, 0.0f);
    return {1 + by_all / all, by_all / cells};
  }
  // What the cell counts that differs most from what it was, in the light of now: less what the
  // loop filter may account for; with the step of see() at least where it has come to differ by
  // more from what was kept of it, given what was pending.
  template <typename By, typename Doubt, typename Pending>
  float largest(const std::vector<float>& were, By by, Doubt doubt, Pending pending) const {
    const float lit = light(were, by).factor - 1;
    float most[kLanes] = {};
    in_lanes(were.size(), [&](std::size_t at, std::size_t lane) {
      const float all = by(at), besides = all - were[at] * lit, unsure = doubt(at);
      const float own = std::abs(besides) - unsure;
      const bool crossed = (std::abs(pending(at) + besides) > step_) & (own > kHair * step_) &
                           (own < step_);
      const float counted = std::max(crossed ? step_ : own, kLight * std::abs(all) - unsure);
      most[lane] = most[lane] < counted ? counted : most[lane];
    });
    return *std::max_element(most, most + kLanes);
  }
  // What was kept of pictures of this size is known.
  bool knows_kept(int width, int height) const {
    return kept_columns_ == static_cast<std::size_t>(width / 8) &&
           kept_.size() == kept_columns_ * static_cast<std::size_t>(height / 8);
  }
  // What is seen from here on is compared with what was seen last.
  void come_to_rest() {
    rest_ = seen_;
    rest_from_kept_.resize(seen_.size());
    for (std::size_t at = 0; at < seen_.size(); ++at) rest_from_kept_[at] = seen_[at] - kept_[at];
  }
  // Makes room for what is known of pictures of another size.
  void resize(int width, int height) {
    width_ = width;
    height_ = height;
    columns_ = (width + 3) / 4;
    rows_ = (height + 3) / 4;
    cell_columns_ = (columns_ + 1) / 2;
    luma_.resize(16 * static_cast<std::size_t>(columns_) * static_cast<std::size_t>(rows_));
    base_.resize(luma_.size() / 16);
    shares_.assign(static_cast<std::size_t>(cell_columns_ * ((rows_ + 1) / 2)), 0.25f);
    for (std::size_t at = 0; at < shares_.size(); ++at) {
      const int column = 2 * static_cast<int>(at) % (2 * cell_columns_);
      const int row = 2 * (static_cast<int>(at) / cell_columns_);
      shares_[at] *= (column + 1 < columns_ ? 1.0f : 2.0f) * (row + 1 < rows_ ? 1.0f : 2.0f);
    }
    pending_.resize(shares_.size());
    first_cells_.resize(shares_.size());
  }
  // The cell that a block belongs to.
  std::size_t cell(int column, int row) const {
    return static_cast<std::size_t>(row / 2) * static_cast<std::size_t>(cell_columns_) +
           static_cast<std::size_t>(column / 2);
  }
  // Says of cells what is known of their blocks.
  void add_up() {
    std::fill(cells_.begin(), cells_.end(), 0.0f);
    add_to_cells(base_, cells_);
    add_to_cells(delta_, cells_);
  }
  // Adds what is known of blocks to their cells.
  void add_to_cells(const std::vector<float>& blocks, std::vector<float>& cells) const {
    for (int row = 0; row < rows_; ++row) {
      const float* const from = blocks.data() + index(0, row);
      float* const to = cells.data() + cell(0, row);
      int column = 0;
      for (; column + 1 < columns_; column += 2) to[column / 2] += from[column] + from[column + 1];
      if (column < columns_) to[column / 2] += from[column];
    }
  }
  // Calls `use` with each of so many indices and the lane of a sum or maximum that it adds to:
  // compilers make vectors of lanes side by side.
  static constexpr std::size_t kLanes = 8;
  template <typename Use>
  static void in_lanes(std::size_t count, Use use) {
    std::size_t at = 0;
    for (; at + kLanes <= count; at += kLanes)
      for (std::size_t lane = 0; lane < kLanes; ++lane) use(at + lane, lane);
    for (; at < count; ++at) use(at, 0);
  }
  // Calls `use` with column, row and mean of each whole cell.
  template <typename Use>
  static void each_cell(const std::uint8_t* luma, std::ptrdiff_t stride, int width, int height,
                        Use use) {
    std::vector<std::uint16_t> down(8 * static_cast<std::size_t>(width / 8));
    const std::size_t samples = down.size();
    for (int row = 0; row < height / 8; ++row) {
      // Columns first, all lines at once: compilers make vectors of this.
      const std::uint8_t* const line = luma + 8 * row * stride;
      std::uint16_t* const to = down.data();
      for (std::size_t x = 0; x < samples; ++x) {
        const std::uint8_t* const at = line + x;
        const int upper = at[0] + at[stride] + at[2 * stride] + at[3 * stride];
        const int lower = at[4 * stride] + at[5 * stride] + at[6 * stride] + at[7 * stride];
        to[x] = static_cast<std::uint16_t>(upper + lower);
      }
      for (int column = 0; column < width / 8; ++column) {
        const std::uint16_t* const eight = down.data() + 8 * column;
        int sum = 0;
        for (int x = 0; x < 8; ++x) sum += eight[x];
        use(column, row, static_cast<float>(sum) / 64);
      }
    }
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
    cells_.assign(pending_.size(), 0.0f);
    doubts_.assign(pending_.size(), 0.0f);
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
  int width_ = 0, height_ = 0;      // luma samples
  int columns_ = 0, rows_ = 0;      // 4x4 blocks
  int cell_columns_ = 0;            // cells of 8x8 samples, those at the borders included
  std::vector<std::uint8_t> luma_;  // of the picture that was decoded last
  std::vector<float> last_;         // means of its blocks
  std::vector<float> first_;        // those of the picture that is compared with
  std::vector<float> first_cells_;  // likewise of cells
  std::vector<float> base_;         // what lies between the two, as far as it is known
  std::vector<float> delta_;        // of the blocks' means since
  std::vector<std::uint8_t> doubt_;  // contrast of the blocks that were intra since
  // By cell: sums of base_ and delta_, eighths of the sums of doubt_, and the share of the sum that
  // makes a mean.
  std::vector<float> cells_, doubts_, shares_;
  std::vector<float> pending_;      // by cell: the first picture, from what was kept of it
  std::vector<float> kept_;         // by whole cell: the mean that a rule kept last
  std::size_t kept_columns_ = 0;    // whole cells in a row
  float lit_ = 0;                   // by light, from the picture seen before to the last one
  // By whole cell: means of what was seen last, and when it came to rest; the latter from what was
  // kept then.
  std::vector<float> seen_, rest_, rest_from_kept_;
  float step_ = std::numeric_limits<float>::infinity();  // by which it keeps
  std::vector<std::uint32_t> touched_;  // cells, by the picture at hand
  float worst_ = std::numeric_limits<float>::infinity();
};

}  // namespace costream
