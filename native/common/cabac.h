// The arithmetic decoding engine of H.264 and H.265, which is the same (ITU-T H.264, 9.3.1.2 and
// 9.3.3.2; H.265, 9.3.4.3).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace costream {

namespace detail {

// H.264's table 9-44 and H.265's 9-52: the range of the least probable symbol by pStateIdx and
// codIRange's bits 6 and 7.
inline constexpr std::uint8_t kRangeTabLps[64][4] = {
    {128, 176, 208, 240}, {128, 167, 197, 227}, {128, 158, 187, 216}, {123, 150, 178, 205},
    {116, 142, 169, 195}, {111, 135, 160, 185}, {105, 128, 152, 175}, {100, 122, 144, 166},
    {95, 116, 137, 158},  {90, 110, 130, 150},  {85, 104, 123, 142},  {81, 99, 117, 135},
    {77, 94, 111, 128},   {73, 89, 105, 122},   {69, 85, 100, 116},   {66, 80, 95, 110},
    {62, 76, 90, 104},    {59, 72, 86, 99},     {56, 69, 81, 94},     {53, 65, 77, 89},
    {51, 62, 73, 85},     {48, 59, 69, 80},     {46, 56, 66, 76},     {43, 53, 63, 72},
    {41, 50, 59, 69},     {39, 48, 56, 65},     {37, 45, 54, 62},     {35, 43, 51, 59},
    {33, 41, 48, 56},     {32, 39, 46, 53},     {30, 37, 43, 50},     {29, 35, 41, 48},
    {27, 33, 39, 45},     {26, 31, 37, 43},     {24, 30, 35, 41},     {23, 28, 33, 39},
    {22, 27, 32, 37},     {21, 26, 30, 35},     {20, 24, 29, 33},     {19, 23, 27, 31},
    {18, 22, 26, 30},     {17, 21, 25, 28},     {16, 20, 23, 27},     {15, 19, 22, 25},
    {14, 18, 21, 24},     {14, 17, 20, 23},     {13, 16, 19, 22},     {12, 15, 18, 21},
    {12, 14, 17, 20},     {11, 14, 16, 19},     {11, 13, 15, 18},     {10, 12, 15, 17},
    {10, 12, 14, 16},     {9, 11, 13, 15},      {9, 11, 12, 14},      {8, 10, 12, 14},
    {8, 9, 11, 13},       {7, 9, 11, 12},       {7, 9, 10, 12},       {7, 8, 10, 11},
    {6, 8, 9, 11},        {6, 7, 9, 10},        {6, 7, 8, 9},         {2, 2, 2, 2},
};

// H.264's table 9-45 and H.265's 9-53: pStateIdx after the least probable symbol.
inline constexpr std::uint8_t kTransIdxLps[64] = {
    0,  0,  1,  2,  2,  4,  4,  5,  6,  7,  8,  9,  9,  11, 11, 12, 13, 13, 15, 15, 16, 16,
    18, 18, 19, 19, 21, 21, 22, 22, 23, 24, 24, 25, 26, 26, 27, 27, 28, 29, 29, 30, 30, 30,
    31, 32, 32, 33, 33, 33, 34, 34, 35, 35, 35, 36, 36, 36, 37, 37, 37, 38, 38, 63,
};

}  // namespace detail

// A context variable as what decoding by it takes: that is looked up when the variable changes,
// with nothing waiting for it, rather than when it is used.
struct ContextVariable {
  // From the lowest byte on: the least probable symbol's four ranges, then by how many bits each
  // has to be renormalised. In bit 59 valMps, in those above what makes the highest byte unique.
  std::uint64_t word = 0;

  constexpr unsigned key() const { return static_cast<unsigned>(word >> 56); }
  constexpr bool mps() const { return (word >> 59 & 1) != 0; }
  bool operator==(const ContextVariable& other) const { return word == other.word; }
};

// Has `value` at hand from here on: compilers put looking it up off to where it is used.
template <typename T>
[[gnu::always_inline]] inline void look_up_now(T& value) {
  asm("" : "+r"(value));
}

namespace detail {

struct CabacTables {
  ContextVariable variables[128];  // by pStateIdx << 1 | valMps
  // The variable after the most probable symbol and after the other one, by key.
  ContextVariable after_mps[256], after_lps[256];
  // floor(2^39 / range) + 1 for ranges from 256.
  std::uint32_t inverse[256];
};

constexpr CabacTables make_cabac_tables() {
  CabacTables tables{};
  unsigned count[8] = {};
  for (unsigned index = 0; index < 64; ++index) {
    std::uint64_t word = 0, shift = 0;
    for (unsigned part = 0; part < 4; ++part) {
      const std::uint64_t range = kRangeTabLps[index][part];
      shift = 0;
      while (range << shift < 256) ++shift;
      word |= range << (8 * part) | shift << (8 * part + 32);
    }
    // No more than 16 have the same last shift, or this isn't compiled.
    const std::uint64_t number = count[shift]++;
    if (number > 15) throw number;
    for (std::uint64_t mps = 0; mps < 2; ++mps)
      tables.variables[index << 1 | mps].word = word | mps << 59 | number << 60;
  }
  for (unsigned variable = 0; variable < 128; ++variable) {
    const unsigned index = variable >> 1;
    const unsigned mps = variable & 1;
    const unsigned key = tables.variables[variable].key();
    tables.after_mps[key] = tables.variables[(index < 62 ? index + 1 : index) << 1 | mps];
    tables.after_lps[key] = tables.variables[static_cast<unsigned>(kTransIdxLps[index]) << 1 |
                                             (index == 0 ? mps ^ 1 : mps)];
  }
  for (unsigned range = 256; range < 512; ++range)
    tables.inverse[range - 256] = static_cast<std::uint32_t>((std::uint64_t{1} << 39) / range + 1);
  return tables;
}

inline constexpr CabacTables kCabacTables = make_cabac_tables();

}  // namespace detail

// The variable that a slice begins with: `state` is preCtxState, 1 to 126.
inline ContextVariable context_variable(int state) {
  const int variable = state <= 63 ? (63 - state) << 1 : (state - 64) << 1 | 1;
  return detail::kCabacTables.variables[variable];
}

// Decodes bins. Never out of bounds: behind the end there are zeros.
//
// The window holds the offset with `bits_` bits of the stream below it, so that renormalising only
// moves a count; it is refilled when the count falls below zero. Hot loops work on a copy, which
// the compiler keeps in registers, and put it back. So what they call is always inline: a single
// call that isn't would keep the copy in memory.
class Cabac {
 public:
  Cabac() = default;
  // Begins at byte `begin`; positions count from the data's first byte.
  Cabac(const std::uint8_t* data, std::size_t size, std::size_t begin = 0)
      : data_(data), size_(size), at_(begin) {
    refill<6>();
    // No stream that conforms starts with an offset of 510 or 511. Below the range it stays there.
    const std::uint64_t end = std::uint64_t{range_} << bits_;
    if (value_ >= end) value_ = end - 1;
  }

  // One bin.
  //
  // A branch separates the symbols. Most bins are cheap ones, for which it is predicted well, and
  // then the next range does not wait for the offset. What a bin is for is mostly a branch as well,
  // which goes the same way: a misprediction is paid for once. Inline, so that copies of the
  // engine stay in registers.
  [[gnu::always_inline]] bool decode(ContextVariable& context) { return decode(context, context); }
  // `loaded`: what the context holds, taken from it before.
  [[gnu::always_inline]] bool decode(ContextVariable& context, ContextVariable loaded) {
    const std::uint64_t ranges = loaded.word >> (range_ >> 3 & 24);
    const std::uint32_t lps = ranges & 0xFF;
    const std::uint32_t mps = range_ - lps;
    const std::uint64_t scaled = std::uint64_t{mps} << bits_;
    if (__builtin_expect(value_ < scaled, 1)) {
      // The most probable symbol's range is never below 128: one bit at most.
      const std::uint32_t shift = mps >> 8 ^ 1;
      range_ = mps << shift;
      bits_ -= static_cast<int>(shift);
      context = detail::kCabacTables.after_mps[loaded.key()];
      if (bits_ < 0) refill<6>();
      return loaded.mps();
    }
    const std::uint32_t shift = ranges >> 32 & 7;
    value_ -= scaled;
    range_ = lps << shift;
    bits_ -= static_cast<int>(shift);
    context = detail::kCabacTables.after_lps[loaded.key()];
    if (bits_ < 0) refill<6>();
    return !loaded.mps();
  }

  // The same without a branch, for bins that are as often the one as the other and that no branch
  // depends on: slower than a predicted branch, and much faster than a mispredicted one.
  [[gnu::always_inline]] bool decode_even(ContextVariable& context) {
    const ContextVariable loaded = context;
    const ContextVariable after_mps = detail::kCabacTables.after_mps[loaded.key()];
    const ContextVariable after_lps = detail::kCabacTables.after_lps[loaded.key()];
    const std::uint64_t ranges = loaded.word >> (range_ >> 3 & 24);
    const std::uint32_t lps = ranges & 0xFF;
    const std::uint32_t mps = range_ - lps;
    const std::uint64_t scaled = std::uint64_t{mps} << bits_;
    // All ones for the least probable symbol.
    const std::uint64_t is_lps = value_ < scaled ? 0 : ~std::uint64_t{0};
    const auto mask = static_cast<std::uint32_t>(is_lps);
    value_ -= scaled & is_lps;
    const std::uint32_t mps_shift = mps >> 8 ^ 1;
    const std::uint32_t lps_shift = ranges >> 32 & 7;
    const std::uint32_t shift = mps_shift ^ ((mps_shift ^ lps_shift) & mask);
    range_ = (mps ^ ((mps ^ lps) & mask)) << shift;
    bits_ -= static_cast<int>(shift);
    context.word = after_mps.word ^ ((after_mps.word ^ after_lps.word) & is_lps);
    if (bits_ < 0) refill<6>();
    return loaded.mps() != (is_lps != 0);
  }

  // Whether there may be any: run() is for quiet pictures, and this is little where there are none.
  static bool may_run(const ContextVariable& context) {
    return context == detail::kCabacTables.variables[kLast << 1 | 1];
  }
  // Decodes pairs of a context's more probable symbol, where its state is the last one, and of
  // terminate() that gives false, `limit` at most. Returns how many. A run of skipped macroblocks is
  // little else.
  int run(const ContextVariable& context, int limit) {
    if (!may_run(context)) return 0;
    Cabac engine = *this;
    int count = 0;
    while (count < limit) {
      count += engine.run_plainly(limit - count);
      *this = engine;
      if (count == limit || !engine.decode_pair()) break;
      ++count;
      *this = engine;
    }
    return count;
  }

  [[gnu::always_inline]] bool bypass() {
    if (--bits_ < 0) refill<6>();
    const std::uint64_t scaled = std::uint64_t{range_} << bits_;
    const std::uint64_t one = value_ >= scaled ? ~std::uint64_t{0} : 0;
    value_ -= scaled & one;
    return (one & 1) != 0;
  }

  // Up to 32 bins, the first one highest. They are the digits of offset / range, so 16 of them come
  // with one multiplication.
  std::uint32_t bypass(int count) {
    std::uint32_t high = 0;
    if (count > 16) {
      high = take(16) << (count - 16);
      count -= 16;
    }
    return high | take(count);
  }

  // H.265's coeff_abs_level_remaining (9.3.3.11): a prefix of ones, then a suffix.
  std::uint32_t remaining(int rice) {
    if (bits_ < 16) refill<4>();
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

  // The bin that ends a slice or a part of it, or goes before PCM samples.
  bool terminate() {
    range_ -= 2;
    const std::uint64_t scaled = std::uint64_t{range_} << bits_;
    if (value_ >= scaled) return true;
    if (range_ < 256) {
      range_ <<= 1;
      if (--bits_ < 0) refill<6>();
    }
    return false;
  }

  // Bits read. After terminate() gave true these end with the bit that ends the data
  // (rbsp_stop_one_bit), or with the one before the alignment of PCM samples.
  std::size_t position() const { return 8 * at_ - static_cast<std::size_t>(bits_); }
  // True once more was read than there is.
  bool spent() const { return position() > 8 * size_; }

  // Makes the window hold 48 bits at least. Done where many bins begin, it saves most of the
  // refills among them, each of which is a misprediction.
  [[gnu::always_inline]] void fill() {
    const int bytes = (55 - bits_) >> 3;
    const std::uint64_t word = ahead();
    at_ += static_cast<std::size_t>(bytes);
    value_ = value_ << (8 * bytes) | word >> 1 >> (63 - 8 * bytes);
    bits_ += 8 * bytes;
  }

 private:
  static constexpr unsigned kLast = 62;  // the last pStateIdx that context variables reach
  static constexpr auto& kSteps = detail::kRangeTabLps[kLast];

  // As run(), as many as need no renormalisation.
  [[gnu::always_inline]] int run_plainly(int limit) {
    constexpr int kInverse[4] = {65536 / (kSteps[0] + 2) + 1, 65536 / (kSteps[1] + 2) + 1,
                                 65536 / (kSteps[2] + 2) + 1, 65536 / (kSteps[3] + 2) + 1};
    int count = 0;
    const auto offset = static_cast<int>(value_ >> bits_);
    const int lowest = offset < 256 ? 256 : offset + 1;
    while (count < limit) {
      // Within a quarter of codIRange's values each pair takes the same from it.
      const auto range = static_cast<int>(range_);
      const int part = range >> 6 & 3;
      const int step = kSteps[part] + 2;
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
  // As run(), one pair; false: it is another one, and what was read is of no use any more.
  [[gnu::always_inline]] bool decode_pair() {
    const std::uint32_t mps = range_ - kSteps[range_ >> 6 & 3];
    if (value_ >= std::uint64_t{mps} << bits_) return false;
    const std::uint32_t shift = mps >> 8 ^ 1;
    range_ = mps << shift;
    bits_ -= static_cast<int>(shift);
    if (bits_ < 0) refill<6>();
    return !terminate();
  }

  // The next bypass bins, up to 16, of as many bits in the window.
  std::uint32_t quotient(int count) const {
    const std::uint64_t top = value_ >> (bits_ - count);
    return static_cast<std::uint32_t>(top * detail::kCabacTables.inverse[range_ - 256] >> 39);
  }
  void consume(std::uint32_t taken, int count) {
    bits_ -= count;
    value_ -= (std::uint64_t{taken} * range_) << bits_;
  }
  std::uint32_t take(int count) {
    if (bits_ < count) refill<4>();
    const std::uint32_t taken = quotient(count);
    consume(taken, count);
    return taken;
  }

  // The window has up to 64 bits, nine of them the offset.
  template <int kBytes>
  [[gnu::always_inline]] void refill() {
    value_ = value_ << (8 * kBytes) | ahead() >> (64 - 8 * kBytes);
    at_ += kBytes;
    bits_ += 8 * kBytes;
  }

  // The next eight bytes, the first one highest.
  [[gnu::always_inline]] std::uint64_t ahead() const {
    if (at_ + 8 > size_) return last_bytes(data_, size_, at_);
    std::uint64_t word;
    std::memcpy(&word, data_ + at_, 8);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
  }

  // Apart, so that the code above stays small; without `this`, so that copies stay in registers.
  [[gnu::noinline, gnu::cold]] static std::uint64_t last_bytes(const std::uint8_t* data,
                                                               std::size_t size, std::size_t at) {
    std::uint64_t word = 0;
    for (std::size_t byte = at; byte < at + 8; ++byte)
      word = word << 8 | (byte < size ? data[byte] : 0);
    return word;
  }

  const std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t at_ = 0;       // bytes taken into the window; runs on behind the end
  std::uint64_t value_ = 0;  // below range_ << bits_
  std::uint32_t range_ = 510;
  int bits_ = -9;  // the first refill makes nine of its bits the offset
};

}  // namespace costream
