// A picture's metadata summed up on larger blocks.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "picture.h"

namespace costream {

enum class State : std::uint8_t { kStill = 0, kMoving = 1, kUnpredicted = 2 };

// One entry for each block of the cropped picture, row by row.
struct Summary {
  int rows = 0, columns = 0;
  std::vector<float> x, y;       // movement since the picture displayed before, in samples
  std::vector<float> peak;       // the fastest 4x4 block's movement, in samples
  std::vector<State> state;      // unpredicted where any 4x4 block is, else moving where any moves
  std::vector<float> energy;     // sum of |dequantised luma coefficient| for each sample
  std::vector<float> qp;  // mean
};

// `step` is the distance in picture order count to the picture displayed before. Vectors are
// brought to it by the distances to their references; a block with two has their mean. `block` is
// the side of what is summed up, in luma samples: 4, 8 or 16. `wide` and `tall` are the pixels that
// a sample is wide and high where it is displayed: movement is in those.
inline Summary summarise(Picture& picture, int step, int block = 16, float wide = 1,
                         float tall = 1) {
  Summary out;
  out.rows = (picture.height + block - 1) / block;
  out.columns = (picture.width + block - 1) / block;
  const auto blocks = static_cast<std::size_t>(out.rows) * static_cast<std::size_t>(out.columns);
  out.x.assign(blocks, 0), out.y.assign(blocks, 0), out.peak.assign(blocks, 0);
  out.energy.assign(blocks, 0), out.qp.assign(blocks, 0);
  // As far as macroblocks are left out, which stand still where they are predicted.
  const bool predicted = picture.common_mode == Mode::kSkip || picture.common_mode == Mode::kInter;
  out.state.assign(blocks, predicted ? State::kStill : State::kUnpredicted);
  const bool aligned = picture.crop_left % block == 0 && picture.crop_top % block == 0;
  if (!aligned) picture.complete();

  std::vector<float> factors;  // from quarters of a sample to samples in a step, by reference
  factors.reserve(picture.references.size());
  for (const std::int32_t poc : picture.references) {
    const std::int64_t distance = std::int64_t{picture.poc} - poc;
    factors.push_back(distance == 0 ? 0.0f : -0.25f * static_cast<float>(step) /
                                                 static_cast<float>(distance));
  }
  const auto known = static_cast<int>(factors.size());

  for (int row = 0; row < out.rows; ++row) {
    const int top = (picture.crop_top + block * row) / 4;
    const int bottom = std::min((picture.crop_top + block * (row + 1) + 3) / 4, picture.rows);
    for (int column = 0; column < out.columns; ++column) {
      const int left = (picture.crop_left + block * column) / 4;
      const int right =
          std::min((picture.crop_left + block * (column + 1) + 3) / 4, picture.columns);
      const auto at = static_cast<std::size_t>(row) * static_cast<std::size_t>(out.columns) +
                      static_cast<std::size_t>(column);
      if (aligned && !picture.left_out.empty()) {
        const auto macroblock =
            static_cast<std::size_t>(top / 4 * (picture.columns / 4) + left / 4);
        if (picture.left_out[macroblock] != 0) {
          out.qp[at] = picture.left_out_qp[macroblock];
          continue;
        }
      }
      float x = 0, y = 0, fastest = 0, energy = 0, qp = 0;
      bool moving = false, unpredicted = false;
      int cells = 0;
      for (int r = top; r < bottom; ++r) {
        for (int c = left; c < right; ++c) {
          const auto cell = static_cast<std::size_t>(r) *
                                static_cast<std::size_t>(picture.columns) +
                            static_cast<std::size_t>(c);
          ++cells;
          energy += static_cast<float>(picture.energy[cell]);
          qp += static_cast<float>(picture.qp[cell]);
          if (picture.mode[cell] != Mode::kSkip && picture.mode[cell] != Mode::kInter) {
            unpredicted = true;
            continue;
          }
          const Motion& motion = picture.motion[cell];
          float across = 0, down = 0;
          int used = 0;
          for (int list = 0; list < 2; ++list) {
            const int reference = motion.reference[list];
            if (reference < 0 || reference >= known) continue;
            const std::int16_t* vector = motion.vector[list];
            moving |= vector[0] != 0 || vector[1] != 0;
            across += vector[0] * factors[static_cast<std::size_t>(reference)];
            down += vector[1] * factors[static_cast<std::size_t>(reference)];
            ++used;
          }
          if (used == 2) across /= 2, down /= 2;
          across *= wide, down *= tall;
          x += across, y += down;
          fastest = std::max(fastest, across * across + down * down);
        }
      }
      if (cells == 0) continue;
      const auto share = 1.0f / static_cast<float>(cells);
      out.x[at] = x * share, out.y[at] = y * share;
      out.peak[at] = std::sqrt(fastest);
      out.state[at] = unpredicted ? State::kUnpredicted : moving ? State::kMoving : State::kStill;
      out.energy[at] = energy * share / 16, out.qp[at] = qp * share;
    }
  }
  return out;
}

}  // namespace costream
