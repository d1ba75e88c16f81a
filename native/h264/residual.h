// Residual blocks (ITU-T H.264, 7.3.5.3): parsed for the sum of their scaled levels, never kept.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "../common/cabac.h"
#include "tables.h"

namespace costream::h264 {

// Blocks as CABAC tells them apart (ctxBlockCat).
enum class Block : int {
  kLumaDc = 0,
  kLumaAc = 1,
  kLuma4x4 = 2,
  kChromaDc = 3,
  kChromaAc = 4,
  kLuma8x8 = 5
};

constexpr int coefficients(Block block) {
  constexpr int kCounts[6] = {16, 15, 16, 4, 15, 64};
  return kCounts[static_cast<int>(block)];
}

// Far below what would overflow; no conforming level is larger.
inline std::int32_t signed_level(std::uint32_t magnitude, bool negative) {
  const auto level = static_cast<std::int32_t>(std::min(magnitude, 1u << 20));
  return negative ? -level : level;
}

struct Residual {
  bool damaged = false;
  int total = 0;          // coefficients
  std::uint64_t sum = 0;  // of |level| * scale
};

// significant_coeff_flag and last_significant_coeff_flag: the positions of the coefficients in the
// scan, and how many there are.
//
// Half of the time goes to branches that nothing foretells, and to the look-ups that wait behind
// them. So what may be decoded next is looked up before it is known.
template <Block kBlock>
[[gnu::always_inline]] inline int read_map(Cabac& cabac, ContextVariable* significant,
                                           ContextVariable* last, std::uint8_t* positions) {
  constexpr int kCount = coefficients(kBlock);
  int total = 0;
  int at = 0;
  if constexpr (kBlock == Block::kLuma8x8) {
    // One after the other may have the same context: only where it lies is known before.
    ContextVariable* context = significant;
    for (; at < kCount - 1; ++at) {
      ContextVariable* next = significant + kSignificant8x8[at + 1];
      look_up_now(next);
      if (cabac.decode(*context)) {
        positions[total++] = static_cast<std::uint8_t>(at);
        if (cabac.decode(last[kLast8x8[at]])) break;
      }
      context = next;
    }
  } else {
    ContextVariable variable = significant[0];
    for (; at < kCount - 1; ++at) {
      // Behind the last position's there is another block's context, which isn't used.
      ContextVariable ending = last[at], next = significant[at + 1];
      look_up_now(ending.word);
      look_up_now(next.word);
      if (cabac.decode(significant[at], variable)) {
        positions[total++] = static_cast<std::uint8_t>(at);
        if (cabac.decode(last[at], ending)) break;
      }
      variable = next;
    }
  }
  if (at == kCount - 1) positions[total++] = static_cast<std::uint8_t>(at);
  return total;
}

// A block whose coded_block_flag is 1. `scale` by position in the scan; null: no sum is wanted.
// `levels` by position in the scan takes those that aren't 0; null: they aren't wanted.
template <Block kBlock, bool kSum>
Residual read_residual(Cabac& engine, ContextVariable* contexts, const std::uint16_t* scale,
                       std::int32_t* levels) {
  constexpr int kSignificant[6] = {105, 120, 134, 149, 152, 402};
  constexpr int kLast[6] = {166, 181, 195, 210, 213, 417};
  constexpr int kLevel[6] = {227, 237, 247, 257, 266, 426};
  constexpr int kIndex = static_cast<int>(kBlock);

  Cabac cabac = engine;
  cabac.fill();
  Residual result;
  std::uint8_t positions[coefficients(kBlock)];
  const int total = read_map<kBlock>(cabac, contexts + kSignificant[kIndex],
                                     contexts + kLast[kIndex], positions);
  result.total = total;

  if constexpr (kBlock == Block::kLuma8x8) cabac.fill();
  ContextVariable* const level = contexts + kLevel[kIndex];
  // By the first bin's context, which is 0 once a level was above one: the next, after a one.
  static constexpr std::uint8_t kNextOnes[5] = {0, 2, 3, 4, 4};
  unsigned ones = 1;
  int greater = 5;  // context of the others
  constexpr int kGreaterLast = kBlock == Block::kChromaDc ? 8 : 9;
  for (int left = total; left-- > 0;) {
    std::uint32_t magnitude = 1;
    if (!cabac.decode(level[ones])) {
      ones = kNextOnes[ones];
    } else {
      magnitude = 2;
      ContextVariable context = level[greater];
      while (magnitude < 15 && cabac.decode(context)) ++magnitude;
      level[greater] = context;
      if (magnitude == 15) {
        int bits = 0;
        while (bits < 20 && cabac.bypass()) magnitude += 1u << bits++;
        if (bits == 20) {
          result.damaged = true;
          break;
        }
        magnitude += cabac.bypass(bits);
      }
      ones = 0;
      greater += greater < kGreaterLast;
    }
    const bool negative = cabac.bypass();
    if (!kSum) continue;
    result.sum += std::uint64_t{magnitude} * scale[positions[left]];
    if (levels) levels[positions[left]] = signed_level(magnitude, negative);
  }
  engine = cabac;
  return result;
}

// Bits of a payload that is followed by eight zero bytes at least.
class Bits {
 public:
  Bits(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

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
  std::int32_t se() {
    const std::uint32_t code = ue();
    const auto half = static_cast<std::int32_t>(code / 2);
    return code & 1 ? half + 1 : -half;
  }

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

namespace detail {

// Look-ups of the CAVLC tables. coeff_token's codes are a run of zeros, a one and up to three bits
// more: by both. The others are short enough for a flat table.
struct TokenEntry {
  std::uint8_t length = 0, total = 0, ones = 0;
};
struct ValueEntry {
  std::uint8_t length = 0, value = 0;
};

struct CavlcTables {
  std::array<std::array<TokenEntry, 128>, 3> token{};
  std::array<TokenEntry, 256> chroma_token{};
  std::array<std::array<ValueEntry, 512>, 15> zeros{};
  std::array<std::array<ValueEntry, 8>, 3> chroma_zeros{};
  std::array<std::array<ValueEntry, 8>, 7> run{};  // codes of up to three bits
};

constexpr int leading_zeros(unsigned value, int length) {
  int zeros = 0;
  while (zeros < length && (value >> (length - 1 - zeros) & 1) == 0) ++zeros;
  return zeros;
}

constexpr CavlcTables make_cavlc_tables() {
  CavlcTables tables;
  for (std::size_t table = 0; table < 3; ++table) {
    for (unsigned total = 0; total <= 16; ++total) {
      for (unsigned ones = 0; ones < 4; ++ones) {
        const Code code = kCoeffToken[table][total][ones];
        if (code.length == 0) continue;
        const int zeros = leading_zeros(code.bits, code.length);
        const int behind = code.length - zeros - 1;  // bits behind the one
        const unsigned rest = code.bits & ((1u << behind) - 1);
        for (unsigned fill = 0; fill < 1u << (3 - behind); ++fill)
          tables.token[table][static_cast<unsigned>(zeros) << 3 | rest << (3 - behind) | fill] = {
              code.length, static_cast<std::uint8_t>(total), static_cast<std::uint8_t>(ones)};
      }
    }
  }
  for (unsigned total = 0; total <= 4; ++total) {
    for (unsigned ones = 0; ones < 4; ++ones) {
      const Code code = kCoeffTokenChromaDc[total][ones];
      if (code.length == 0) continue;
      for (unsigned fill = 0; fill < 1u << (8 - code.length); ++fill)
        tables.chroma_token[static_cast<unsigned>(code.bits) << (8 - code.length) | fill] = {
            code.length, static_cast<std::uint8_t>(total), static_cast<std::uint8_t>(ones)};
    }
  }
  for (std::size_t table = 0; table < 15; ++table) {
    for (unsigned value = 0; value < 16; ++value) {
      const Code code = kTotalZeros[table][value];
      if (code.length == 0) continue;
      for (unsigned fill = 0; fill < 1u << (9 - code.length); ++fill)
        tables.zeros[table][static_cast<unsigned>(code.bits) << (9 - code.length) | fill] = {
            code.length, static_cast<std::uint8_t>(value)};
    }
  }
  for (std::size_t table = 0; table < 3; ++table) {
    for (unsigned value = 0; value < 4; ++value) {
      const Code code = kTotalZerosChromaDc[table][value];
      if (code.length == 0) continue;
      for (unsigned fill = 0; fill < 1u << (3 - code.length); ++fill)
        tables.chroma_zeros[table][static_cast<unsigned>(code.bits) << (3 - code.length) | fill] = {
            code.length, static_cast<std::uint8_t>(value)};
    }
  }
  for (std::size_t table = 0; table < 7; ++table) {
    for (unsigned value = 0; value < 15; ++value) {
      const Code code = kRunBefore[table][value];
      if (code.length == 0 || code.length > 3) continue;
      for (unsigned fill = 0; fill < 1u << (3 - code.length); ++fill)
        tables.run[table][static_cast<unsigned>(code.bits) << (3 - code.length) | fill] = {
            code.length, static_cast<std::uint8_t>(value)};
    }
  }
  return tables;
}

inline constexpr CavlcTables kCavlcTables = make_cavlc_tables();

}  // namespace detail

using Token = detail::TokenEntry;

// coeff_token of a block other than chroma DC; `predicted` is nC. Length 0: damaged.
inline Token read_token(Bits& bits, int predicted) {
  const std::uint32_t word = bits.peek();
  Token entry;
  if (predicted >= 8) {
    // Six bits: total_coeff - 1 and trailing ones; 000011 means none.
    const std::uint32_t code = word >> 26;
    entry.length = 6;
    if (code != 3) {
      entry.total = static_cast<std::uint8_t>((code >> 2) + 1);
      entry.ones = static_cast<std::uint8_t>(code & 3);
    }
  } else {
    const int zeros = __builtin_clz(word | 1u << 16);
    entry =
        detail::kCavlcTables.token[predicted >> 1 > 1 ? 2 : predicted >> 1]
                                  [static_cast<unsigned>(zeros) << 3 | (word >> (28 - zeros) & 7)];
  }
  bits.skip(entry.length);
  return entry;
}

inline Token read_chroma_dc_token(Bits& bits) {
  const Token entry = detail::kCavlcTables.chroma_token[bits.peek() >> 24];
  bits.skip(entry.length);
  return entry;
}

// What follows coeff_token; `scale` and `levels` go on by `stride` for each position in the scan.
template <Block kBlock, bool kSum>
Residual read_residual(Bits& stream, Token token, const std::uint16_t* scale, int stride,
                       std::int32_t* levels) {
  constexpr int kCount = kBlock == Block::kLuma8x8 ? 16 : coefficients(kBlock);
  Bits bits = stream;
  Residual result;
  const int total = token.total;
  const int ones = token.ones;
  if (token.length == 0 || total > kCount || ones > total) {
    result.damaged = true;
    return result;
  }
  result.total = total;
  std::uint32_t magnitudes[16];
  std::uint32_t negative = 0;  // bit by bit
  for (int at = 0; at < ones; ++at) {
    magnitudes[at] = 1;
    negative |= static_cast<std::uint32_t>(bits.flag()) << at;
  }
  int suffix_length = total > 10 && ones < 3 ? 1 : 0;
  for (int at = ones; at < total; ++at) {
    const std::uint32_t word = bits.peek();
    const int prefix = __builtin_clz(word | 1);
    std::uint32_t code;
    if (prefix < 14) {
      // Prefix and suffix are within one look at the stream.
      const int size = suffix_length;
      code = static_cast<std::uint32_t>(prefix) << size |
             ((word << prefix & 0x7FFFFFFF) >> (31 - size));
      bits.skip(prefix + 1 + size);
    } else {
      if (prefix > 25) {
        result.damaged = true;
        return result;
      }
      bits.skip(prefix + 1);
      code = static_cast<std::uint32_t>(std::min(prefix, 15)) << suffix_length;
      int size = suffix_length;
      if (prefix == 14 && suffix_length == 0) size = 4;
      if (prefix >= 15) size = prefix - 3;
      if (size > 0) code += bits.read(size);
    }
    if (prefix >= 15 && suffix_length == 0) code += 15;
    if (prefix >= 16) code += (1u << (prefix - 3)) - 4096;
    if (at == ones && ones < 3) code += 2;
    const std::uint32_t magnitude = (code >> 1) + 1;
    magnitudes[at] = magnitude;
    negative |= (code & 1) << at;
    if (suffix_length == 0) suffix_length = 1;
    if (magnitude > 3u << (suffix_length - 1) && suffix_length < 6) ++suffix_length;
  }

  int zeros = 0;
  if (total < kCount) {
    detail::ValueEntry entry;
    if constexpr (kBlock == Block::kChromaDc)
      entry =
          detail::kCavlcTables.chroma_zeros[static_cast<std::size_t>(total - 1)][bits.peek() >> 29];
    else
      entry = detail::kCavlcTables.zeros[static_cast<std::size_t>(total - 1)][bits.peek() >> 23];
    zeros = entry.value;
    if (entry.length == 0 || zeros + total > kCount) {
      result.damaged = true;
      return result;
    }
    bits.skip(entry.length);
  }
  int position = total + zeros - 1;
  const auto add = [&](int at) {
    if (kSum) {
      result.sum += std::uint64_t{magnitudes[at]} * scale[position * stride];
      if (levels)
        levels[position * stride] = signed_level(magnitudes[at], (negative >> at & 1) != 0);
    }
    --position;
  };
  int at = 0;
  for (; zeros > 0 && at < total - 1; ++at) {
    add(at);
    const std::uint32_t word = bits.peek();
    detail::ValueEntry entry =
        detail::kCavlcTables.run[static_cast<std::size_t>(std::min(zeros, 7) - 1)][word >> 29];
    if (entry.length == 0) {
      // Above six zeros left: a run of zeros and a one.
      const int leading = __builtin_clz(word | 1);
      entry = {static_cast<std::uint8_t>(leading + 1), static_cast<std::uint8_t>(leading + 4)};
    }
    if (entry.value > zeros) {
      result.damaged = true;
      return result;
    }
    bits.skip(entry.length);
    zeros -= entry.value;
    position -= entry.value;
  }
  // One is left, or no zeros between those that are.
  if (kSum)
    for (; at < total; ++at) add(at);
  stream = bits;
  return result;
}

}  // namespace costream::h264
