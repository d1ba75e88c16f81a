// The weights of antialiased bicubic interpolation along one axis, as published preprocessing has
// them: those of torch for 8-bit tensors, which torchvision calls (ATen's UpSampleKernel).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
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

// The inputs that one output is made of, and their exact weights.
struct Support {
  int first;
  std::vector<double> weights;
};

inline Support support_of(int output, int in, double scale) {
  const double reach = scale >= 1.0 ? 2.0 * scale : 2.0;
  const double inverse = scale >= 1.0 ? 1.0 / scale : 1.0;
  const double center = scale * (output + 0.5);
  const int low = std::max(static_cast<int>(center - reach + 0.5), 0);
  const int high = std::min(static_cast<int>(center + reach + 0.5), in);
  const int most = static_cast<int>(std::ceil(reach)) * 2 + 1;
  Support support{low, std::vector<double>(std::clamp(high - low, 0, most))};
  double sum = 0.0;
  for (std::size_t j = 0; j < support.weights.size(); ++j) {
    support.weights[j] = bicubic((static_cast<int>(j) + low - center + 0.5) * inverse);
    sum += support.weights[j];
  }
  for (double& weight : support.weights) weight /= sum;
  return support;
}

inline std::int16_t rounded(double weight, int precision) {
  const double value = weight * (1 << precision);
  return static_cast<std::int16_t>(static_cast<int>(value < 0 ? value - 0.5 : value + 0.5));
}

inline Axis::Axis(int in_, int out_) : in(in_), out(out_), first(out_), size(out_, 1) {
  if (plain()) {
    // Each output is the input in its place.
    std::iota(first.begin(), first.end(), 0);
    return;
  }
  std::vector<Support> supports;
  double largest = 0.0;
  for (int i = 0; i < out; ++i) {
    supports.push_back(support_of(i, in, static_cast<double>(in) / out));
    const std::vector<double>& exact = supports.back().weights;
    first[i] = supports.back().first;
    size[i] = static_cast<int>(exact.size());
    largest = std::max(largest, *std::max_element(exact.begin(), exact.end()));
  }
  const int longest = *std::max_element(size.begin(), size.end());
  taps = (longest + kTapStep - 1) / kTapStep * kTapStep;
  precision = precision_of(largest);
  weights.assign(static_cast<std::size_t>(out) * taps, 0);
  for (int i = 0; i < out; ++i) {
    for (int j = 0; j < size[i]; ++j) {
      weights[static_cast<std::size_t>(i) * taps + j] = rounded(supports[i].weights[j], precision);
    }
  }
}

}  // namespace costream::pixels
