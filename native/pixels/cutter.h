// Resizes and cuts the kept merge groups of a frame, and touches nothing else of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "axis.h"
#include "kernels.h"

namespace costream::pixels {

// A frame in memory: 8-bit RGB, with any strides in bytes.
struct Frame {
  const std::uint8_t* data;
  std::ptrdiff_t row;
  std::ptrdiff_t column;
  std::ptrdiff_t colour;
};

// Which merge groups are kept, row by row: rows x columns.
struct Groups {
  const bool* kept;
  int rows;
  int columns;
};

// Where patches go: [kept patches, colours x times x patch x patch], and the time to write.
struct Patches {
  std::uint8_t* data;
  int times;
  int time;
};

// Cuts frames of one size. Immutable: threads may share it.
class Cutter {
 public:
  // Frames are resized from (in_width, in_height) to (out_width, out_height); a group is
  // merge x merge patches of patch x patch samples. portable: without instructions of the machine.
  Cutter(int in_width, int in_height, int out_width, int out_height, int patch, int merge,
         bool portable)
      : across_(in_width, out_width), down_(in_height, out_height), patch_(patch),
        side_(patch * merge), merge_(merge),
        stride_((patch * merge + kLane - 1) / kLane * kLane), portable_(portable || !fast()) {}

  int in_width() const { return across_.in; }
  int in_height() const { return down_.in; }
  int out_width() const { return across_.out; }
  int out_height() const { return down_.out; }
  int side() const { return side_; }
  std::size_t patch_values() const { return static_cast<std::size_t>(3) * patch_ * patch_; }
  std::size_t patches_a_group() const { return static_cast<std::size_t>(merge_) * merge_; }
  bool portable() const { return portable_; }

  void cut(const Frame& frame, const Groups& groups, const Patches& patches) const {
#ifdef COSTREAM_AVX2
    if (!portable_) return cut_by<Avx2>(frame, groups, patches);
#endif
    cut_by<Portable>(frame, groups, patches);
  }

 private:
  // What one column of groups is worked on with: its rows once they are resized across.
  struct Strip {
    Stretch at;
    int samples;  // of a source row
    std::unique_ptr<std::uint8_t[]> lines;  // two source rows
    std::unique_ptr<std::uint8_t[]> rows;   // [in_height and some, colour, stride]
    std::unique_ptr<std::uint8_t[]> resized;  // a row of the result, [colour, stride]
  };

  static bool fast() {
#ifdef COSTREAM_AVX2
    return __builtin_cpu_supports("avx2");
#else
    return false;
#endif
  }

  std::size_t pitch() const { return static_cast<std::size_t>(3) * stride_; }

  // Column by column, so that a column's rows stay in the cache and none is resized twice.
  template <class Kernels>
  void cut_by(const Frame& frame, const Groups& groups, const Patches& patches) const {
    const std::vector<std::size_t> ranks = rank(groups);
    Strip strip = strip_for_all();
    for (int column = 0; column < groups.columns; ++column) {
      place(strip, column);
      int done = 0;
      for (int row = 0; row < groups.rows; ++row) {
        const int group = row * groups.columns + column;
        if (!groups.kept[group]) continue;
        const int end = down_.end((row + 1) * side_ - 1);
        resize_across<Kernels>(frame, strip, std::max(done, down_.first[row * side_]), end);
        done = std::max(done, end);
        write_group<Kernels>(strip, row, ranks[group], patches);
      }
    }
  }

  // The number of each group among those kept.
  static std::vector<std::size_t> rank(const Groups& groups) {
    std::vector<std::size_t> ranks(static_cast<std::size_t>(groups.rows) * groups.columns);
    std::size_t kept = 0;
    for (std::size_t group = 0; group < ranks.size(); ++group) {
      ranks[group] = kept;
      kept += groups.kept[group];
    }
    return ranks;
  }

  Strip strip_for_all() const {
    Strip strip;
    const std::size_t line = static_cast<std::size_t>(3) * across_.in + 2 * kOverread;
    strip.lines = std::make_unique<std::uint8_t[]>(2 * line);
    // Weights come in pairs: the last row's second one may be another, times nothing.
    strip.rows.reset(new std::uint8_t[(down_.in + 2) * pitch()]);
    strip.resized = std::make_unique<std::uint8_t[]>(pitch());
    return strip;
  }

  void place(Strip& strip, int column) const {
    const int begin = column * side_;
    const int base = across_.first[begin];
    strip.at = {begin, side_, base, stride_};
    strip.samples = across_.end(begin + side_ - 1) - base;
  }

  template <class Kernels>
  void resize_across(const Frame& frame, const Strip& strip, int begin, int end) const {
    const std::size_t gap = static_cast<std::size_t>(3) * across_.in + kOverread;
    std::uint8_t* const lines[2] = {strip.lines.get(), strip.lines.get() + gap};
    for (int row = begin; row < end; row += 2) {
      // An odd last row is done twice.
      const int rows[2] = {row, std::min(row + 1, end - 1)};
      std::uint8_t* out[2];
      for (int n = 0; n < 2; ++n) {
        fetch(frame, strip, rows[n], lines[n]);
        out[n] = strip.rows.get() + rows[n] * pitch();
      }
      if (across_.plain()) {
        for (int n = 0; n < 2; ++n) take_apart<Kernels>(lines[n], out[n]);
      } else {
        Kernels::across(across_, strip.at, lines, out);
      }
    }
  }

  template <class Kernels>
  void take_apart(const std::uint8_t* line, std::uint8_t* out) const {
    for (int x = 0; x < side_; x += kLane) Kernels::apart(line + 3 * x, out + x, stride_);
  }

  static void fetch(const Frame& frame, const Strip& strip, int row, std::uint8_t* line) {
    const std::uint8_t* from = frame.data + row * frame.row + strip.at.base * frame.column;
    if (frame.column == 3 && frame.colour == 1) {
      std::memcpy(line, from, static_cast<std::size_t>(3) * strip.samples);
      return;
    }
    for (int x = 0; x < strip.samples; ++x, from += frame.column) {
      for (int c = 0; c < 3; ++c) line[3 * x + c] = from[c * frame.colour];
    }
  }

  template <class Kernels>
  void write_group(const Strip& strip, int row, std::size_t rank, const Patches& patches) const {
    const std::size_t area = static_cast<std::size_t>(patch_) * patch_;
    const std::size_t values = 3 * patches.times * area;
    std::uint8_t* group = patches.data + rank * merge_ * merge_ * values + patches.time * area;
    for (int y = 0; y < side_; ++y) {
      const std::uint8_t* samples = resize_down<Kernels>(strip, row * side_ + y);
      std::uint8_t* out = group + y / patch_ * merge_ * values + y % patch_ * patch_;
      for (int c = 0; c < 3; ++c) {
        write_row(samples + c * stride_, out + c * patches.times * area, values);
      }
    }
  }

  // Returns a row of the resized picture, [colour, stride].
  template <class Kernels>
  const std::uint8_t* resize_down(const Strip& strip, int output) const {
    if (down_.plain()) return strip.rows.get() + output * pitch();
    const std::uint8_t* top = strip.rows.get() + down_.first[output] * pitch();
    for (int x = 0; x < 3 * stride_; x += kLane) {
      Kernels::down(down_, output, top + x, pitch(), strip.resized.get() + x);
    }
    return strip.resized.get();
  }

  // Deals a row of a group out to its patches. The common sizes are copied without a call.
  void write_row(const std::uint8_t* samples, std::uint8_t* out, std::size_t values) const {
    for (int n = 0; n < merge_; ++n, samples += patch_, out += values) {
      if (patch_ == 16) {
        std::memcpy(out, samples, 16);
      } else if (patch_ == 14) {
        std::memcpy(out, samples, 14);
      } else {
        std::memcpy(out, samples, patch_);
      }
    }
  }

  Axis across_;
  Axis down_;
  int patch_;
  int side_;
  int merge_;
  int stride_;
  bool portable_;
};

}  // namespace costream::pixels
