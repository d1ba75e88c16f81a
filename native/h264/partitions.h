// mb_pred() and sub_mb_pred() of inter macroblocks (ITU-T H.264, 7.3.5.1 and 7.3.5.2): the
// partitions' reference indices and vector differences, and with them their motion.
#pragma once

#include <cstdint>

#include "direct.h"
#include "macroblock.h"
#include "motion.h"
#include "slice_state.h"
#include "vector.h"

namespace costream::h264 {

// Syntax: CabacSyntax or CavlcSyntax.
template <typename Syntax>
class PartitionReader {
 public:
  PartitionReader(const SliceState& state, Syntax& syntax, MacroblockMotion& motion,
                  const DirectPrediction& direct)
      : state_(state), syntax_(syntax), motion_(motion), direct_(direct) {}

  // Reads and stores a macroblock's motion: of P_8x8ref0 with `no_references`. `small`: whether it
  // has partitions below 8x8, for which transform_size_8x8_flag is not coded. False: damaged.
  bool read(const MacroblockType& type, bool no_references, bool& small);

 private:
  bool read_16x16(int lists);
  template <bool kAcross>
  bool read_halves(const std::uint8_t (&lists)[2]);
  bool read_8x8(bool no_references, bool& small);
  bool read_sub_types(SubType (&types)[4]);
  int read_reference(int list, int blocks) {
    return state_.slice.header->references[list] == 1 ? 0 : syntax_.ref_idx(list, blocks);
  }
  void read_vector(int list, int position, int width, int height, int reference, Vector predicted) {
    const Vector difference = syntax_.mvd(list, position, width, height);
    motion_.fill(list, position, width, height, reference, predicted + difference);
  }
  void leave_out(int list) {
    motion_.leave_out(list);
    syntax_.no_mvds(list);
  }

  const SliceState& state_;
  Syntax& syntax_;
  MacroblockMotion& motion_;
  const DirectPrediction& direct_;
};

template <typename Syntax>
bool PartitionReader<Syntax>::read(const MacroblockType& type, bool no_references, bool& small) {
  small = false;
  switch (type.shape) {
    case Shape::k16x16: return read_16x16(type.lists[0]);
    case Shape::k16x8: return read_halves<false>(type.lists);
    case Shape::k8x16: return read_halves<true>(type.lists);
    default: return read_8x8(no_references, small);
  }
}

// One partition: needs no grid.
template <typename Syntax>
bool PartitionReader<Syntax>::read_16x16(int lists) {
  int references[2] = {kUnused, kUnused};
  for (int list = 0; list < 2; ++list) {
    if ((lists >> list & 1) == 0) continue;
    references[list] = read_reference(list, 0xF);
    if (references[list] < 0) return false;
  }
  Vector vectors[2] = {kZero, kZero};
  for (int list = 0; list < 2; ++list) {
    if ((lists >> list & 1) == 0) {
      syntax_.no_whole_mvd(list);
      continue;
    }
    Neighbour abc[3];
    motion_.neighbours(list, abc);
    vectors[list] =
        predict_median(abc[0], abc[1], abc[2], references[list]) + syntax_.whole_mvd(list);
  }
  syntax_.end_whole_mvds();
  motion_.store_uniform(references, vectors);
  return true;
}

// Two partitions, side by side (kAcross: 8x16) or one below the other (16x8).
template <typename Syntax>
template <bool kAcross>
bool PartitionReader<Syntax>::read_halves(const std::uint8_t (&lists)[2]) {
  constexpr int kWidth = kAcross ? 2 : 4;
  constexpr int kHeight = kAcross ? 4 : 2;
  constexpr int kBlocks[2] = {kAcross ? 5 : 3, kAcross ? 10 : 12};
  int references[2][2];
  for (int list = 0; list < 2; ++list) {
    for (int part = 0; part < 2; ++part) {
      references[list][part] = kUnused;
      if ((lists[part] >> list & 1) == 0) continue;
      references[list][part] = read_reference(list, kBlocks[part]);
      if (references[list][part] < 0) return false;
    }
  }
  for (int list = 0; list < 2; ++list) {
    if (((lists[0] | lists[1]) >> list & 1) == 0) {
      leave_out(list);
      continue;
    }
    motion_.begin(list);
    syntax_.begin_mvds(list);
    for (int part = 0; part < 2; ++part) {
      const int position = kAcross ? block_grid::at(2 * part, 0) : block_grid::at(0, 2 * part);
      const int reference = references[list][part];
      if (reference < 0)
        motion_.fill(list, position, kWidth, kHeight, kUnused, kZero);
      else
        read_vector(list, position, kWidth, kHeight, reference,
                    motion_.predict_half<kAcross>(list, part, reference));
    }
  }
  motion_.store_grid();
  syntax_.end_mvds();
  return true;
}

// Four sub-macroblocks.
template <typename Syntax>
bool PartitionReader<Syntax>::read_8x8(bool no_references, bool& small) {
  SubType types[4];
  if (!read_sub_types(types)) return false;
  int lists = 0;
  bool any_direct = false;
  for (const SubType& type : types) {
    lists |= type.lists;
    any_direct |= type.lists == 0;
    small |= type.lists == 0 ? !state_.slice.sps->direct_8x8_inference
                             : type.width * type.height < 4;
  }
  DirectMotion direct;
  if (any_direct) {
    direct = direct_.derive(motion_);
    direct.expand();
    lists = 3;
  }
  int references[2][4];
  for (int list = 0; list < 2; ++list) {
    for (int block = 0; block < 4; ++block) {
      references[list][block] = kUnused;
      if ((types[block].lists >> list & 1) == 0) continue;
      references[list][block] = no_references ? 0 : read_reference(list, 1 << block);
      if (references[list][block] < 0) return false;
    }
  }
  for (int list = 0; list < 2; ++list) {
    if ((lists >> list & 1) == 0) {
      leave_out(list);
      continue;
    }
    motion_.begin(list);
    syntax_.begin_mvds(list);
    for (int block = 0; block < 4; ++block) {
      const int x = 2 * (block & 1);
      const int y = block & 2;
      const SubType& type = types[block];
      const int reference = references[list][block];
      if (type.lists == 0) {
        for (int at = 0; at < 4; ++at) {
          const int to_x = x + (at & 1);
          const int to_y = y + (at >> 1);
          motion_.fill(list, block_grid::at(to_x, to_y), 1, 1, direct.reference[list][block],
                       direct.vector[list][4 * to_y + to_x]);
        }
      } else if (reference < 0) {
        motion_.fill(list, block_grid::at(x, y), 2, 2, kUnused, kZero);
      } else {
        for (int down = 0; down < 2; down += type.height) {
          for (int right = 0; right < 2; right += type.width) {
            const int position = block_grid::at(x + right, y + down);
            read_vector(list, position, type.width, type.height, reference,
                        motion_.predict(list, position, type.width, reference));
          }
        }
      }
    }
  }
  motion_.store_grid();
  syntax_.end_mvds();
  return true;
}

template <typename Syntax>
bool PartitionReader<Syntax>::read_sub_types(SubType (&types)[4]) {
  for (SubType& type : types) {
    const int value = syntax_.sub_mb_type();
    if (value < 0 || value > (state_.b_slice ? 12 : 3)) return false;
    type = state_.b_slice ? kSubTypesB[value] : kSubTypesP[value];
  }
  return true;
}

}  // namespace costream::h264
