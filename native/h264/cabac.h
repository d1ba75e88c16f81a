// The arithmetic decoding engine (ITU-T H.264, 9.3.1.2 and 9.3.3.2).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "../common/cabac_tables.h"

namespace costream::h264 {

namespace detail {

// Both tables by the whole context variable (pStateIdx << 1 | valMps), so that decoding a bin needs
// no branch.
struct CabacTables {
  // The least probable symbol's four ranges, a byte each, then by how many bits each has to be
  // renormalised. One look-up that does not wait for codIRange, which only selects the byte.
  std::array<std::uint64_t, 128> ranges{};
  // The variable after the most probable symbol, and after the other one in the high byte.
  std::array<std::uint16_t, 128> next{};
};

constexpr CabacTables make_cabac_tables() {
  CabacTables tables;
  for (unsigned state = 0; state < 128; ++state) {
    const unsigned index = state >> 1;
    const unsigned mps = state & 1;
    for (unsigned part = 0; part < 4; ++part) {
      const std::uint64_t range = kRangeTabLps[index][part];
      std::uint64_t shift = 0;
      while (range << shift < 256) ++shift;
      tables.ranges[state] |= range << (8 * part) | shift << (8 * part + 32);
    }
    const unsigned after_mps = (index < 62 ? index + 1 : index) << 1 | mps;
    const unsigned after_lps =
        static_cast<unsigned>(kTransIdxLps[index]) << 1 | (index == 0 ? mps ^ 1 : mps);
    tables.next[state] = static_cast<std::uint16_t>(after_mps | after_lps << 8);
  }
  return tables;
}

inline constexpr CabacTables kCabacTables = make_cabac_tables();

}  // namespace detail

// Decodes bins. Never out of bounds: behind the end there are zeros.
//
// The window holds codIOffset with `bits_` bits of the stream below it, so that renormalising only
// moves a count; it is refilled with six bytes at a time when the count falls below zero. Hot loops
// work on a copy, which the compiler keeps in registers, and put it back.
class Cabac {
 public:
  Cabac() = default;
  // Begins at byte `begin`; positions count from the data's first byte.
  Cabac(const std::uint8_t* data, std::size_t size, std::size_t begin = 0)
      : data_(data), size_(size), at_(begin) {
    refill();
    // No stream that conforms starts with an offset of 510 or 511. Below the range it stays there.
    const std::uint64_t end = std::uint64_t{range_} << bits_;
    if (value_ >= end) value_ = end - 1;
  }

  // One bin; `state` is the context variable: pStateIdx << 1 | valMps.
  bool decode(std::uint8_t& state) {
    const unsigned variable = state;
    const std::uint64_t ranges = detail::kCabacTables.ranges[variable] >> (range_ >> 3 & 24);
    const std::uint32_t lps = ranges & 0xFF;
    const std::uint32_t lps_shift = ranges >> 32 & 7;
    // The most probable symbol's range is above half of the whole: one bit at most.
    const std::uint32_t mps = range_ - lps;
    const std::uint32_t mps_shift = mps >> 8 ^ 1;
    const std::uint64_t scaled = std::uint64_t{mps} << bits_;
    // All ones where the bin is the least probable symbol. Which one it is can't be foretold: masks
    // are faster than a branch, and compilers would make one of a conditional expression.
    const std::uint64_t is_lps = ~std::uint64_t{0} + (value_ < scaled);
    const auto narrow = static_cast<std::uint32_t>(is_lps);
    const std::uint32_t mps_range = mps << mps_shift;
    value_ -= scaled & is_lps;
    range_ = mps_range ^ ((mps_range ^ lps << lps_shift) & narrow);
    bits_ -= static_cast<int>(mps_shift ^ ((mps_shift ^ lps_shift) & narrow));
    state = static_cast<std::uint8_t>(detail::kCabacTables.next[variable] >> (narrow & 8));
    if (bits_ < 0) refill();
    return ((variable ^ narrow) & 1) != 0;
  }

  // Decodes pairs of a context's more probable symbol, where its state is the last one, and of
  // terminate() that gives false, as many as need no renormalisation, `limit` at most. Returns how
  // many. A run of skipped macroblocks is little else.
  int run(std::uint8_t state, int limit) {
    constexpr unsigned kLast = 62;
    constexpr int kInverse[4] = {
        65536 / (kRangeTabLps[kLast][0] + 2) + 1, 65536 / (kRangeTabLps[kLast][1] + 2) + 1,
        65536 / (kRangeTabLps[kLast][2] + 2) + 1, 65536 / (kRangeTabLps[kLast][3] + 2) + 1};
    if (state != (kLast << 1 | 1)) return 0;
    int count = 0;
    const auto offset = static_cast<int>(value_ >> bits_);
    const int lowest = offset < 256 ? 256 : offset + 1;
    while (count < limit) {
      // Within a quarter of codIRange's values each pair takes the same from it.
      const auto range = static_cast<int>(range_);
      const int part = range >> 6 & 3;
      const int step = kRangeTabLps[kLast][part] + 2;
      // Divided by the step, exactly so below 512: divisions would be most of a run's time.
      const int inverse = kInverse[part];
      const auto steps = [inverse](int length) { return length * inverse >> 16; };
      const int beginning = steps(range & 63) + 1;
      const int within = range < lowest ? 0 : steps(range - lowest);
      const int taken = std::min({beginning, within, limit - count});
      if (taken == 0) break;
      range_ -= static_cast<std::uint32_t>(taken * step);
      count += taken;
    }
    return count;
  }

  bool bypass() {
    if (--bits_ < 0) refill();
    const std::uint64_t scaled = std::uint64_t{range_} << bits_;
    const std::uint64_t one = value_ >= scaled ? ~std::uint64_t{0} : 0;
    value_ -= scaled & one;
    return (one & 1) != 0;
  }

  // Up to 32 bins, the first one highest.
  std::uint32_t bypass(int bits) {
    std::uint32_t value = 0;
    for (int bit = 0; bit < bits; ++bit) value = value << 1 | static_cast<std::uint32_t>(bypass());
    return value;
  }

  // The bin that ends a slice, or goes before PCM samples.
  bool terminate() {
    range_ -= 2;
    const std::uint64_t scaled = std::uint64_t{range_} << bits_;
    if (value_ >= scaled) return true;
    if (range_ < 256) {
      range_ <<= 1;
      if (--bits_ < 0) refill();
    }
    return false;
  }

  // Bits read. After terminate() gave true these end with rbsp_stop_one_bit, or with the bit before
  // the alignment of PCM samples.
  std::size_t position() const { return 8 * at_ - static_cast<std::size_t>(bits_); }
  // True once more was read than there is.
  bool spent() const { return position() > 8 * size_; }

 private:
  void refill() {
    std::uint64_t word;
    if (at_ + 8 <= size_) {
      std::memcpy(&word, data_ + at_, 8);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
      word = __builtin_bswap64(word);
#endif
      word >>= 16;
    } else {
      word = last_bytes(data_, size_, at_);
    }
    at_ += 6;
    value_ = value_ << 48 | word;
    bits_ += 48;
  }

  // Apart, so that the code above stays small; without `this`, so that copies stay in registers.
  [[gnu::noinline, gnu::cold]] static std::uint64_t last_bytes(const std::uint8_t* data,
                                                               std::size_t size, std::size_t at) {
    std::uint64_t word = 0;
    for (std::size_t byte = at; byte < at + 6; ++byte)
      word = word << 8 | (byte < size ? data[byte] : 0);
    return word;
  }

  const std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t at_ = 0;       // bytes taken into the window; runs on behind the end
  std::uint64_t value_ = 0;  // below range_ << bits_
  std::uint32_t range_ = 510;
  int bits_ = -9;  // the first refill makes nine of its bits codIOffset
};

}  // namespace costream::h264
