// residual_block_cabac() (ITU-T H.264, 7.3.5.3.3), with its contexts (9.3.3.1.3).
#pragma once

#include <cstdint>

#include "../common/cabac.h"
#include "contexts.h"
#include "residual_block.h"

namespace costream::h264 {

// significant_coeff_flag and last_significant_coeff_flag: the positions of the coefficients in the
// scan, and how many there are.
//
// Half of the time goes to branches that no predictor knows, and to the look-ups that wait behind
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
      ContextVariable* next = significant + kSignificantIncrement8x8[at + 1];
      look_up_now(next);
      if (cabac.decode(*context)) {
        positions[total++] = static_cast<std::uint8_t>(at);
        if (cabac.decode(last[kLastIncrement8x8[at]])) break;
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
  constexpr BlockContexts kFirst = block_contexts(kBlock);
  Cabac cabac = engine;
  cabac.fill();
  Residual result;
  std::uint8_t positions[coefficients(kBlock)];
  const int total =
      read_map<kBlock>(cabac, contexts + kFirst.significant, contexts + kFirst.last, positions);

  if constexpr (kBlock == Block::kLuma8x8) cabac.fill();
  ContextVariable* const level = contexts + kFirst.level;
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

}  // namespace costream::h264
