// The weights of antialiased bicubic interpolation along one axis, as published preprocessing has
// them: those of torch for 8-bit tensors, which torchvision calls (ATen's UpSampleKernel).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

namespace costream::pixels {

// How many weights follow each other in memory for each output: a multiple of it.
constexpr int kTapStep = 4;

struct Axis {
  int in = 0;
  int out = 0;
  int taps = 0;       // weights a output in memory; those that are not used are 0
  int precision = 0;  // bits behind the point of a weight
  std::vector<int> first;  // by output: the first input that it is made of
  std::vector<int> size;   // by output: how many inputs
  std::vector<std::int16_t> weights;  // [out, taps]

  Axis(int in, int out);

  bool plain() const { return in == out; }
  int end(int output) const { return first[output] + size[output]; }
  const std::int16_t* of(int output) const { return weights.data() + output * taps; }
};

// Keys' cubic convolution with a = -0.5, the kernel that Pillow and torch use where they smooth.
inline double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

// Bits behind the point: as many as let the largest weight fit 16 bits, and at most 22.
inline int precision_of(double largest) {
  int precision = 0;
  while (precision < 22 && static_cast<int>(0.5 + largest * (1 << (precision + 1))) < (1 << 15)) {
    ++precision;
  }
  return precision;
}

inline Axis::Axis(int in_, int out_) : in(in_), out(out_), first(out_), size(out_) {
  if (plain()) {
    // Each output is the input in its place.
    std::iota(first.begin(), first.end(), 0);
    std::fill(size.begin(), size.end(), 1);
    return;
  }
  const double scale = static_cast<double>(in) / out;
  const double support = scale >= 1.0 ? 2.0 * scale : 2.0;
  const double inverse = scale >= 1.0 ? 1.0 / scale : 1.0;
  const int most = static_cast<int>(std::ceil(support)) * 2 + 1;
  std::vector<double> exact(static_cast<std::size_t>(out) * most, 0.0);
  double largest = 0.0;
  int longest = 0;
  for (int i = 0; i < out; ++i) {
    const double center = scale * (i + 0.5);
    const int low = std::max(static_cast<int>(center - support + 0.5), 0);
    const int high = std::min(static_cast<int>(center + support + 0.5), in);
    first[i] = low;
    size[i] = std::clamp(high - low, 0, most);
    double* row = exact.data() + static_cast<std::size_t>(i) * most;
    double sum = 0.0;
    for (int j = 0; j < size[i]; ++j) {
      row[j] = bicubic((j + low - center + 0.5) * inverse);
      sum += row[j];
    }
    for (int j = 0; sum != 0.0 && j < size[i]; ++j) {
      row[j] /= sum;
      largest = std::max(largest, row[j]);
    }
    longest = std::max(longest, size[i]);
  }
  taps = (longest + kTapStep - 1) / kTapStep * kTapStep;
  precision = precision_of(largest);
  weights.assign(static_cast<std::size_t>(out) * taps, 0);
  for (int i = 0; i < out; ++i) {
    for (int j = 0; j < size[i]; ++j) {
      const double value = exact[static_cast<std::size_t>(i) * most + j] * (1 << precision);
      weights[static_cast<std::size_t>(i) * taps + j] =
          static_cast<std::int16_t>(static_cast<int>(value < 0 ? value - 0.5 : value + 0.5));
    }
  }
}

}  // namespace costream::pixels
