// Motion vectors as they are derived.
#pragma once

#include <cstdint>

namespace costream::h264 {

// A motion vector in one register: what is stored as two halves and loaded as a whole would stall.
class Vector {
 public:
  Vector() = default;
  constexpr Vector(int x, int y)
      : both_((static_cast<std::uint32_t>(x) & 0xFFFF) | static_cast<std::uint32_t>(y) << 16) {}
  explicit Vector(const std::int16_t (&from)[2]) : Vector(from[0], from[1]) {}

  int x() const { return static_cast<std::int16_t>(both_); }
  int y() const { return static_cast<std::int16_t>(both_ >> 16); }
  std::uint32_t both() const { return both_; }
  void store(std::int16_t (&to)[2]) const {
    to[0] = static_cast<std::int16_t>(both_);
    to[1] = static_cast<std::int16_t>(both_ >> 16);
  }
  bool operator==(const Vector& other) const { return both_ == other.both_; }
  bool operator!=(const Vector& other) const { return both_ != other.both_; }

 private:
  std::uint32_t both_;
};

// Modulo 2^16, as vectors wrap.
inline Vector operator+(const Vector& a, const Vector& b) {
  return {a.x() + b.x(), a.y() + b.y()};
}

inline constexpr Vector kZero(0, 0);

}  // namespace costream::h264
