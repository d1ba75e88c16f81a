// residual_block_cavlc() (ITU-T H.264, 7.3.5.3.2 and 9.2).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "cavlc_codes.h"
#include "residual_block.h"
#include "slice_bits.h"

namespace costream::h264 {

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

// Enters a code into a table that is looked up by as many bits of the stream: at all that begin with
// the code.
template <std::size_t kSize, typename Entry>
constexpr void enter(std::array<Entry, kSize>& table, int bits, const Code& code, Entry entry) {
  if (code.length == 0 || code.length > bits) return;
  entry.length = code.length;
  const int rest = bits - code.length;
  for (unsigned fill = 0; fill < 1u << rest; ++fill)
    table[static_cast<unsigned>(code.bits) << rest | fill] = entry;
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
  for (std::uint8_t total = 0; total <= 4; ++total)
    for (std::uint8_t ones = 0; ones < 4; ++ones)
      enter(tables.chroma_token, 8, kCoeffTokenChromaDc[total][ones], TokenEntry{0, total, ones});
  for (std::size_t table = 0; table < 15; ++table)
    for (std::uint8_t value = 0; value < 16; ++value)
      enter(tables.zeros[table], 9, kTotalZeros[table][value], ValueEntry{0, value});
  for (std::size_t table = 0; table < 3; ++table)
    for (std::uint8_t value = 0; value < 4; ++value)
      enter(tables.chroma_zeros[table], 3, kTotalZerosChromaDc[table][value], ValueEntry{0, value});
  for (std::size_t table = 0; table < 7; ++table)
    for (std::uint8_t value = 0; value < 15; ++value)
      enter(tables.run[table], 3, kRunBefore[table][value], ValueEntry{0, value});
  return tables;
}

inline constexpr CavlcTables kCavlcTables = make_cavlc_tables();

}  // namespace detail

using Token = detail::TokenEntry;

// coeff_token of a block other than chroma DC; `predicted` is nC. Length 0: damaged.
inline Token read_token(SliceBits& bits, int predicted) {
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

inline Token read_chroma_dc_token(SliceBits& bits) {
  const Token entry = detail::kCavlcTables.chroma_token[bits.peek() >> 24];
  bits.skip(entry.length);
  return entry;
}

// What follows coeff_token; `scale` and `levels` go on by `stride` for each position in the scan.
template <Block kBlock, bool kSum>
Residual read_residual(SliceBits& stream, Token token, const std::uint16_t* scale, int stride,
                       std::int32_t* levels) {
  constexpr int kCount = kBlock == Block::kLuma8x8 ? 16 : coefficients(kBlock);
  SliceBits bits = stream;
  Residual result;
  const int total = token.total;
  const int ones = token.ones;
  if (token.length == 0 || total > kCount || ones > total) {
    result.damaged = true;
    return result;
  }
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
