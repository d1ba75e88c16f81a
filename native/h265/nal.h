// NAL units in a packet: Annex B byte streams and length-prefixed ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace costream::h265 {

// Calls use(data, size) for each NAL unit between start codes.
template <typename Use>
void for_each_annex_b(const std::uint8_t* data, std::size_t size, Use use) {
  // The position behind the next start code, or `size`.
  const auto next_code = [&](std::size_t at) {
    while (at + 3 <= size) {
      const void* one = std::memchr(data + at + 2, 1, size - at - 2);
      if (one == nullptr) return size;
      at = static_cast<std::size_t>(static_cast<const std::uint8_t*>(one) - data) - 2;
      if (data[at] == 0 && data[at + 1] == 0) return at + 3;
      ++at;
    }
    return size;
  };
  for (std::size_t start = next_code(0); start < size;) {
    const std::size_t next = next_code(start);
    std::size_t end = next < size || (size >= 3 && start + 3 <= size && data[size - 1] == 1 &&
                                      data[size - 2] == 0 && data[size - 3] == 0)
                          ? next - 3
                          : size;
    while (end > start && data[end - 1] == 0) --end;
    if (end > start) use(data + start, end - start);
    start = next;
  }
}

// Calls use(data, size) for each NAL unit behind a length of so many bytes.
template <typename Use>
void for_each_prefixed(const std::uint8_t* data, std::size_t size, int length_bytes, Use use) {
  const auto bytes = static_cast<std::size_t>(length_bytes);
  for (std::size_t at = 0; at + bytes <= size;) {
    std::size_t length = 0;
    for (std::size_t i = 0; i < bytes; ++i) length = length << 8 | data[at + i];
    at += bytes;
    if (length > size - at) length = size - at;
    if (length > 0) use(data + at, length);
    at += length;
  }
}

// Removes emulation prevention bytes from a NAL unit, into memory that's used again.
inline void unescape_into(const std::uint8_t* data, std::size_t size,
                          std::vector<std::uint8_t>& out) {
  out.resize(size);
  std::uint8_t* to = out.data();
  std::size_t start = 0;
  for (std::size_t at = 2; at < size;) {
    // One in three bytes tells whether a 00 00 03 can be near.
    const std::uint8_t byte = data[at];
    if (byte > 3) {
      at += 3;
    } else if (byte == 3 && data[at - 1] == 0 && data[at - 2] == 0) {
      std::memcpy(to, data + start, at - start);
      to += at - start;
      start = at + 1;
      at += 3;
    } else {
      ++at;
    }
  }
  std::memcpy(to, data + start, size - start);
  to += size - start;
  out.resize(static_cast<std::size_t>(to - out.data()));
}

}  // namespace costream::h265
