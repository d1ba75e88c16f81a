// Reads bits of a NAL unit's payload. Never out of bounds: behind the end there are zeros.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace costream {

// Removes emulation prevention bytes from a NAL unit's payload (without start code or length).
inline std::vector<std::uint8_t> unescape(const std::uint8_t* data, std::size_t size) {
  std::vector<std::uint8_t> out;
  out.reserve(size);
  int zeros = 0;
  for (std::size_t at = 0; at < size; ++at) {
    if (zeros >= 2 && data[at] == 3) {
      zeros = 0;
      continue;
    }
    zeros = data[at] == 0 ? zeros + 1 : 0;
    out.push_back(data[at]);
  }
  return out;
}

// The value of an Exp-Golomb code as a signed one (ITU-T H.264, 9.1.1; H.265, 9.2.2).
inline std::int32_t signed_value(std::uint32_t code) {
  const auto half = static_cast<std::int32_t>(code / 2);
  return code & 1 ? half + 1 : -half;
}

class BitReader {
 public:
  BitReader(const std::uint8_t* data, std::size_t size) : data_(data), bits_(size * 8) {}

  // Up to 32 bits, the first one highest.
  std::uint32_t read(int count) {
    std::uint64_t value = 0;
    for (int got = 0; got < count;) {
      const int inside = static_cast<int>(at_ & 7);
      const int take = count - got < 8 - inside ? count - got : 8 - inside;
      const unsigned byte = at_ < bits_ ? data_[at_ >> 3] : 0;
      value = value << take | ((byte >> (8 - inside - take)) & ((1u << take) - 1));
      at_ += static_cast<std::size_t>(take);
      got += take;
    }
    return static_cast<std::uint32_t>(value);
  }
  bool flag() { return read(1) != 0; }

  // Exp-Golomb codes. A code that runs over the end or has more than 31 leading zeros marks the
  // reader as spent and gives 0.
  std::uint32_t ue() {
    int zeros = 0;
    while (zeros < 32 && at_ < bits_ && !flag()) ++zeros;
    if (zeros >= 32 || at_ > bits_) {
      spent_ = true;
      return 0;
    }
    return static_cast<std::uint32_t>((std::uint64_t{1} << zeros) - 1 + read(zeros));
  }
  std::int32_t se() { return signed_value(ue()); }

  std::size_t position() const { return at_; }
  void seek(std::size_t bit) { at_ = bit; }
  std::size_t size() const { return bits_; }
  // True once more was read than there is.
  bool spent() const { return spent_ || at_ > bits_; }

 private:
  const std::uint8_t* data_;
  std::size_t bits_;
  std::size_t at_ = 0;
  bool spent_ = false;
};

}  // namespace costream
