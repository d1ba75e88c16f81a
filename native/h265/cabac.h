// The arithmetic decoding engine of CABAC (ITU-T H.265, 9.3.4.3). It never reads out of bounds:
// behind the end there are zeros.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "../common/cabac_tables.h"

namespace costream::h265 {

namespace detail {

struct CabacTables {
  std::uint8_t lps[4][128];    // range of the less probable symbol, by range and state
  std::uint8_t next[2][128];   // the state after a more (0) or a less (1) probable symbol
  std::uint32_t inverse[256];  // floor(2^39 / range) + 1 for ranges from 256
};

constexpr CabacTables make_cabac_tables() {
  CabacTables tables{};
  for (unsigned state = 0; state < 128; ++state) {
    const unsigned index = state >> 1, mps = state & 1;
    for (unsigned range = 0; range < 4; ++range)
      tables.lps[range][state] = kRangeTabLps[index][range];
    const unsigned up = index < 62 ? index + 1 : index;
    tables.next[0][state] = static_cast<std::uint8_t>(up << 1 | mps);
    const unsigned lps_mps = index == 0 ? mps ^ 1 : mps;
    tables.next[1][state] = static_cast<std::uint8_t>(kTransIdxLps[index] << 1 | lps_mps);
  }
  for (unsigned range = 256; range < 512; ++range)
    tables.inverse[range - 256] = static_cast<std::uint32_t>((std::uint64_t{1} << 39) / range + 1);
  return tables;
}

inline constexpr CabacTables kCabac = make_cabac_tables();

}  // namespace detail

class Cabac {
 public:
  Cabac() = default;
  Cabac(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {
    refill();
    // No stream that conforms starts with an offset of 510 or 511. Below the range it stays there.
    const std::uint64_t end = static_cast<std::uint64_t>(range_) << kShift;
    if (value_ >= end) value_ = end - 1;
  }

  // A bin with a context, whose state is pStateIdx << 1 | valMps. Without branches: which way a
  // bin goes is what a processor can't predict.
  bool decode(std::uint8_t& state) {
    const unsigned before = state;
    const std::uint32_t lps = detail::kCabac.lps[range_ >> 6 & 3][before];
    const std::uint32_t mps = range_ - lps;
    const std::uint64_t split = static_cast<std::uint64_t>(mps) << kShift;
    const auto less = static_cast<std::uint32_t>(value_ >= split);
    const std::uint32_t mask = 0u - less;
    value_ -= split & (0u - static_cast<std::uint64_t>(less));
    state = detail::kCabac.next[less][before];
    const std::uint32_t range = (mps & ~mask) | (lps & mask);
    const int shift = __builtin_clz(range) - 23;
    range_ = range << shift;
    value_ <<= shift;
    bits_ -= shift;
    if (bits_ < 0) refill();
    return ((before & 1) ^ less) != 0;
  }

  bool bypass() {
    if (bits_ < 1) refill();
    value_ <<= 1;
    --bits_;
    const std::uint64_t split = static_cast<std::uint64_t>(range_) << kShift;
    const bool bin = value_ >= split;
    value_ -= bin ? split : 0;
    return bin;
  }

  // Up to 32 bins, the first one highest. Bypass bins are the digits of value / range, so 16 of
  // them come with one multiplication.
  std::uint32_t bypass(int count) {
    std::uint32_t high = 0;
    if (count > 16) {
      high = take(16) << (count - 16);
      count -= 16;
    }
    return high | take(count);
  }

  // coeff_abs_level_remaining (9.3.3.11): a prefix of ones, then a suffix.
  std::uint32_t remaining(int rice) {
    if (bits_ < 16) refill();
    const std::uint32_t ahead = quotient(16);
    int ones = __builtin_clz(~(ahead << 16));
    if (ones < 4) {
      const std::uint32_t taken = ahead >> (15 - ones - rice);
      consume(taken, ones + 1 + rice);
      return (static_cast<std::uint32_t>(ones) << rice) + (taken & ((1u << rice) - 1));
    }
    if (ones < 16) {
      consume(ahead >> (15 - ones), ones + 1);
    } else {
      consume(ahead, 16);
      // No conforming stream has more than 32: the caller's slice ends as damaged.
      while (ones < 32 && bypass()) ++ones;
    }
    const int length = ones - 3 + rice;
    return (((1u << (ones - 3)) + 2) << rice) + (length < 32 ? bypass(length) : 0);
  }

  bool terminate() {
    range_ -= 2;
    if (value_ >= static_cast<std::uint64_t>(range_) << kShift) return true;
    if (range_ < 256) {
      range_ <<= 1;
      value_ <<= 1;
      if (--bits_ < 0) refill();
    }
    return false;
  }

  // Bits read so far, the nine of the engine's register included: after terminate() gave true,
  // the last one is the one that ends the data.
  std::size_t position() const { return at_ * 8 - static_cast<std::size_t>(bits_); }
  // True once more was read than there is.
  bool spent() const { return position() > size_ * 8; }

 private:
  // value_ is ivlOffset, 54 bits further left; the bits below are those that follow.
  static constexpr int kShift = 54;

  std::uint32_t quotient(int count) const {
    const std::uint64_t top = value_ >> (kShift - count);
    return static_cast<std::uint32_t>(top * detail::kCabac.inverse[range_ - 256] >> 39);
  }
  void consume(std::uint32_t taken, int count) {
    value_ -= static_cast<std::uint64_t>(taken) * range_ << (kShift - count);
    value_ <<= count;
    bits_ -= count;
  }
  std::uint32_t take(int count) {
    if (bits_ < count) refill();
    const std::uint32_t taken = quotient(count);
    consume(taken, count);
    return taken;
  }

  void refill() {
    const int room = kShift - bits_;
    const int bytes = room >> 3;
    std::uint64_t word = 0;
    if (at_ + 8 <= size_) {
      std::memcpy(&word, data_ + at_, 8);
      word = __builtin_bswap64(word);
    } else {
      for (std::size_t i = 0; i < 8; ++i) word = word << 8 | (at_ + i < size_ ? data_[at_ + i] : 0);
    }
    value_ |= word >> (64 - 8 * bytes) << (room - 8 * bytes);
    bits_ += 8 * bytes;
    at_ += static_cast<std::size_t>(bytes);
  }

  std::uint64_t value_ = 0;
  std::uint32_t range_ = 510;
  int bits_ = -9;  // read ahead of the register
  const std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t at_ = 0;
};

}  // namespace costream::h265
