// The bits of slice data, and the Exp-Golomb codes among them (ITU-T H.264, 9.1).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "../common/bits.h"

namespace costream::h264 {

// Bits of a payload that is followed by eight zero bytes at least.
class SliceBits {
 public:
  SliceBits(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

  // The next 32 bits; zeros behind the end.
  std::uint32_t peek() const {
    const std::size_t byte = std::min(at_ >> 3, size_);
    std::uint64_t word;
    std::memcpy(&word, data_ + byte, 8);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return static_cast<std::uint32_t>(word << (at_ & 7) >> 32);
  }
  void skip(int count) { at_ += static_cast<std::size_t>(count); }
  // 1 to 32 bits.
  std::uint32_t read(int count) {
    const std::uint32_t value = peek() >> (32 - count);
    skip(count);
    return value;
  }
  bool flag() { return read(1) != 0; }
  // Exp-Golomb codes; kInvalid where it has more than 29 leading zeros.
  static constexpr std::uint32_t kInvalid = 1u << 30;
  std::uint32_t ue() {
    const std::uint32_t word = peek();
    if (word < (1u << 16)) return long_ue();
    const int zeros = __builtin_clz(word);
    skip(2 * zeros + 1);
    return (word >> (31 - 2 * zeros)) - 1;
  }
  std::int32_t se() { return signed_value(ue()); }

  std::size_t position() const { return at_; }
  void seek(std::size_t bit) { at_ = bit; }
  bool spent() const { return at_ > 8 * size_; }

 private:
  std::uint32_t long_ue() {
    const std::uint32_t word = peek();
    if (word < 4) return kInvalid;
    const int zeros = __builtin_clz(word);
    skip(zeros);
    return read(zeros + 1) - 1;
  }

  const std::uint8_t* data_;
  std::size_t size_;
  std::size_t at_ = 0;
};

}  // namespace costream::h264
