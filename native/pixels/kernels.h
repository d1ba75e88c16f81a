// The inner loops of cutting: two rows of samples resized across, 16 samples resized down, 16
// samples taken apart into their colours. Each in plain C++, and for x86 with AVX2 by hand: what a
// pixel's taps are is a shuffle, which compilers don't find. Both give the same bits.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "axis.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define COSTREAM_AVX2 1
#include <immintrin.h>
#define COSTREAM_AVX2_CODE __attribute__((target("avx2")))
#endif

namespace costream::pixels {

// Samples that a kernel may write at a time: buffers end on a multiple of it.
constexpr int kLane = 16;
// Bytes that a kernel may read behind the samples of a row.
constexpr int kOverread = 64;

inline std::uint8_t clamped(int value) {
  return static_cast<std::uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
}

// A stretch of outputs across: which, and where their inputs lie.
struct Stretch {
  int begin;   // the first output
  int length;  // how many
  int base;    // the input that lies at the beginning of a line
  int stride;  // bytes from one colour's samples to the next one's
};

struct Portable {
  // lines: two of interleaved RGB; out: for each of them three rows, one a colour.
  static void across(const Axis& axis, const Stretch& at, const std::uint8_t* const lines[2],
                     std::uint8_t* const out[2]) {
    for (int line = 0; line < 2; ++line) {
      for (int x = 0; x < at.length; ++x) {
        const int output = at.begin + x;
        const std::int16_t* weights = axis.of(output);
        const std::uint8_t* from = lines[line] + 3 * (axis.first[output] - at.base);
        int sums[3];
        std::fill_n(sums, 3, 1 << (axis.precision - 1));
        for (int k = 0; k < axis.size[output]; ++k) {
          for (int c = 0; c < 3; ++c) sums[c] += weights[k] * from[3 * k + c];
        }
        for (int c = 0; c < 3; ++c) out[line][c * at.stride + x] = clamped(sums[c] >> axis.precision);
      }
    }
  }

  // top: the first row of an output's inputs; out: 16 samples.
  static void down(const Axis& axis, int output, const std::uint8_t* top, std::size_t pitch,
                   std::uint8_t* out) {
    int sums[kLane];
    std::fill_n(sums, kLane, 1 << (axis.precision - 1));
    const std::int16_t* weights = axis.of(output);
    for (int k = 0; k < axis.size[output]; ++k, top += pitch) {
      for (int x = 0; x < kLane; ++x) sums[x] += weights[k] * top[x];
    }
    for (int x = 0; x < kLane; ++x) out[x] = clamped(sums[x] >> axis.precision);
  }

  // line: 16 samples of interleaved RGB; out: three rows, one a colour.
  static void apart(const std::uint8_t* line, std::uint8_t* out, int stride) {
    for (int c = 0; c < 3; ++c) {
      for (int x = 0; x < kLane; ++x) out[c * stride + x] = line[3 * x + c];
    }
  }
};

#ifdef COSTREAM_AVX2
struct Avx2 {
  COSTREAM_AVX2_CODE static __m256i taps_of(const Axis& axis, int output, int base,
                                            const std::uint8_t* const lines[2]) {
    // Of 16 bytes, five samples and a red: red 0 and 1, green 0 and 1, blue 0 and 1 as 16-bit.
    const __m256i near = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1));
    const __m256i far = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1));
    const int offset = 3 * (axis.first[output] - base);
    const std::int16_t* weights = axis.of(output);
    __m256i sums = _mm256_set1_epi32(1 << (axis.precision - 1));
    for (int k = 0; k < axis.size[output]; k += kTapStep) {
      const __m256i samples = _mm256_loadu2_m128i(
          reinterpret_cast<const __m128i*>(lines[1] + offset + 3 * k),
          reinterpret_cast<const __m128i*>(lines[0] + offset + 3 * k));
      sums = _mm256_add_epi32(sums, _mm256_madd_epi16(_mm256_shuffle_epi8(samples, near),
                                                      pair_of(weights + k)));
      sums = _mm256_add_epi32(sums, _mm256_madd_epi16(_mm256_shuffle_epi8(samples, far),
                                                      pair_of(weights + k + 2)));
    }
    return _mm256_sra_epi32(sums, _mm_cvtsi32_si128(axis.precision));
  }

  COSTREAM_AVX2_CODE static __m256i pair_of(const std::int16_t* weights) {
    std::int32_t both;
    std::memcpy(&both, weights, sizeof both);
    return _mm256_set1_epi32(both);
  }

  COSTREAM_AVX2_CODE static void across(const Axis& axis, const Stretch& at,
                                        const std::uint8_t* const lines[2],
                                        std::uint8_t* const out[2]) {
    const __m256i by_colour = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    const int last = at.begin + at.length - 1;
    for (int x = 0; x < at.length; x += 4) {
      __m256i four[4];
      for (int j = 0; j < 4; ++j) {
        four[j] = taps_of(axis, std::min(at.begin + x + j, last), at.base, lines);
      }
      const __m256i bytes = _mm256_packus_epi16(_mm256_packs_epi32(four[0], four[1]),
                                                _mm256_packs_epi32(four[2], four[3]));
      const __m256i sorted = _mm256_shuffle_epi8(bytes, by_colour);
      store_colours(_mm256_castsi256_si128(sorted), out[0] + x, at.stride);
      store_colours(_mm256_extracti128_si256(sorted, 1), out[1] + x, at.stride);
    }
  }

  COSTREAM_AVX2_CODE static void store_colours(__m128i sorted, std::uint8_t* out, int stride) {
    const int colours[3] = {_mm_extract_epi32(sorted, 0), _mm_extract_epi32(sorted, 1),
                            _mm_extract_epi32(sorted, 2)};
    for (int c = 0; c < 3; ++c) std::memcpy(out + c * stride, colours + c, 4);
  }

  COSTREAM_AVX2_CODE static void down(const Axis& axis, int output, const std::uint8_t* top,
                                      std::size_t pitch, std::uint8_t* out) {
    const std::int16_t* weights = axis.of(output);
    __m256i low = _mm256_set1_epi32(1 << (axis.precision - 1));
    __m256i high = low;
    for (int k = 0; k < axis.size[output]; k += 2, top += 2 * pitch) {
      const __m128i one = _mm_loadu_si128(reinterpret_cast<const __m128i*>(top));
      const __m128i two = _mm_loadu_si128(reinterpret_cast<const __m128i*>(top + pitch));
      const __m256i pair = pair_of(weights + k);
      low = _mm256_add_epi32(
          low, _mm256_madd_epi16(_mm256_cvtepu8_epi16(_mm_unpacklo_epi8(one, two)), pair));
      high = _mm256_add_epi32(
          high, _mm256_madd_epi16(_mm256_cvtepu8_epi16(_mm_unpackhi_epi8(one, two)), pair));
    }
    const __m128i bits = _mm_cvtsi32_si128(axis.precision);
    const __m256i words =
        _mm256_packs_epi32(_mm256_sra_epi32(low, bits), _mm256_sra_epi32(high, bits));
    // Samples 0 to 3 and 8 to 11 in the lower half, 4 to 7 and 12 to 15 in the upper one.
    const __m256i bytes = _mm256_packus_epi16(words, words);
    _mm_storeu_si128(
        reinterpret_cast<__m128i*>(out),
        _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1)));
  }

  COSTREAM_AVX2_CODE static void apart(const std::uint8_t* line, std::uint8_t* out, int stride) {
    const __m128i a = _mm_loadu_si128(reinterpret_cast<const __m128i*>(line));
    const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(line + 16));
    const __m128i c = _mm_loadu_si128(reinterpret_cast<const __m128i*>(line + 32));
    const __m128i red = pick(
        a, _mm_setr_epi8(0, 3, 6, 9, 12, 15, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1),
        b, _mm_setr_epi8(-1, -1, -1, -1, -1, -1, 2, 5, 8, 11, 14, -1, -1, -1, -1, -1),
        c, _mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 1, 4, 7, 10, 13));
    const __m128i green = pick(
        a, _mm_setr_epi8(1, 4, 7, 10, 13, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1),
        b, _mm_setr_epi8(-1, -1, -1, -1, -1, 0, 3, 6, 9, 12, 15, -1, -1, -1, -1, -1),
        c, _mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 2, 5, 8, 11, 14));
    const __m128i blue = pick(
        a, _mm_setr_epi8(2, 5, 8, 11, 14, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1),
        b, _mm_setr_epi8(-1, -1, -1, -1, -1, 1, 4, 7, 10, 13, -1, -1, -1, -1, -1, -1),
        c, _mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 3, 6, 9, 12, 15));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), red);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + stride), green);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 2 * stride), blue);
  }

  COSTREAM_AVX2_CODE static __m128i pick(__m128i a, __m128i of_a, __m128i b, __m128i of_b,
                                         __m128i c, __m128i of_c) {
    return _mm_or_si128(_mm_or_si128(_mm_shuffle_epi8(a, of_a), _mm_shuffle_epi8(b, of_b)),
                        _mm_shuffle_epi8(c, of_c));
  }
};
#endif

}  // namespace costream::pixels
