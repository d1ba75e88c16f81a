#include "slice_data.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <type_traits>

#include "direct.h"
#include "motion.h"
#include "partitions.h"
#include "residual.h"
#include "slice_bits.h"
#include "slice_state.h"
#include "syntax_cabac.h"
#include "syntax_cavlc.h"
#include "tracking.h"

namespace costream::h264 {
namespace {

// slice_data() (7.3.4) and macroblock_layer() (7.3.5). What they are made of is next door: the
// elements' coding in syntax_*.h, inter prediction in partitions.h, motion.h and direct.h,
// coefficients in residual*.h, what a tracker is reported in tracking.h.
template <bool kCabac>
class SliceReader {
 public:
  SliceReader(const Slice& slice, Canvas& canvas)
      : state_(slice, canvas),
        syntax_(state_),
        motion_(state_),
        direct_(state_),
        partitions_(state_, syntax_, motion_, direct_),
        tracking_(state_),
        residual_(state_, syntax_, tracking_) {
    Macroblock still;
    still.slice = state_.number;
    still.flags = Macroblock::kSkip;
    still.still = true;
    std::memset(still.reference[1], kUnused, 4);
    std::fill_n(stills_, 2, still);
  }

  bool read();

 private:
  using Syntax = std::conditional_t<kCabac, CabacSyntax, CavlcSyntax>;

  bool read_macroblocks();
  std::uint32_t run_still(std::uint32_t address);
  int may_be_skipped(std::uint32_t address, int count) const;
  void skip();
  bool read_macroblock();
  bool read_direct();
  bool read_inter(const MacroblockType& type, bool no_references);
  bool read_intra(int type);
  bool read_pcm();
  void read_transform_size();
  bool read_residual(bool intra_16x16);
  bool read_qp_delta();
  void claim();
  void finish(Mode mode, int qp);
  void take_back();

  SliceState state_;
  Syntax syntax_;
  MacroblockMotion motion_;
  DirectPrediction direct_;
  PartitionReader<Syntax> partitions_;
  MacroblockTracking tracking_;
  ResidualReader<Syntax> residual_;
  Macroblock stills_[2];  // skipped macroblocks of the slice that stand still, to be copied
};

template <bool kCabac>
bool SliceReader<kCabac>::read() {
  if (read_macroblocks()) {
    Canvas& canvas = state_.canvas;
    canvas.covered += state_.address + 1 - state_.slice.header->first;
    canvas.reached = std::max(canvas.reached, state_.address + 1);
    return true;
  }
  take_back();
  return false;
}

// Macroblocks of a damaged slice belong to none, and are left out again.
template <bool kCabac>
void SliceReader<kCabac>::take_back() {
  Canvas& canvas = state_.canvas;
  for (int y = 0; y < canvas.height; ++y) {
    for (int x = 0; x < canvas.width; ++x) {
      Macroblock& macroblock = canvas.macroblocks[canvas.at(x, y)];
      if (macroblock.slice != state_.number) continue;
      macroblock.slice = 0;
      const auto address = static_cast<std::size_t>(y * canvas.width + x);
      state_.picture.left_out[address] = 1;
      if (state_.kept) state_.kept->left_out[address] = 1;
    }
  }
}

// slice_data() (7.3.4). False: damaged, here and in what it calls.
template <bool kCabac>
bool SliceReader<kCabac>::read_macroblocks() {
  const auto count = static_cast<std::uint32_t>(state_.canvas.width * state_.canvas.height);
  const bool intra_slice = state_.slice.header->type == SliceType::kI;
  std::uint32_t address = state_.slice.header->first;
  if (address >= count) return false;
  if constexpr (kCabac) {
    while (true) {
      address += run_still(address);
      if (address >= count) return false;
      if (!state_.enter(address)) return false;
      syntax_.begin_macroblock();
      if (!intra_slice && syntax_.mb_skip_flag())
        skip();
      else if (!read_macroblock())
        return false;
      if (syntax_.spent()) return false;
      if (syntax_.end_of_slice_flag()) break;
      if (++address >= count) return false;
    }
    // The last bit read is rbsp_stop_one_bit; but x264 leaves some bits behind it, up to the byte's
    // end.
    return (syntax_.position() + 7) / 8 == state_.slice.stop / 8 + 1;
  } else {
    while (true) {
      if (!intra_slice) {
        std::uint32_t run = syntax_.mb_skip_run();
        if (run > count - address) return false;
        const bool more = run == 0 || syntax_.more_rbsp_data();
        while (run-- > 0) {
          if (!state_.enter(address++)) return false;
          skip();
        }
        if (!more) break;
        if (address >= count) return false;
      }
      if (!state_.enter(address)) return false;
      if (!read_macroblock()) return false;
      if (!syntax_.more_rbsp_data()) break;
      if (++address >= count) return false;
    }
    return syntax_.position() == state_.slice.stop;
  }
}

// Reads skipped macroblocks that stand still, of a row from `address` on, in P slices: most of a
// quiet picture's. Returns how many.
template <bool kCabac>
std::uint32_t SliceReader<kCabac>::run_still(std::uint32_t address) {
  if (!syntax_.may_skip_run()) return 0;
  if (!motion_.fills_still() || state_.b_slice || !tracking_.ignores_still()) return 0;
  Canvas& canvas = state_.canvas;
  Picture& picture = state_.picture;
  if (picture.common_mode != Mode::kSkip) return 0;
  const auto width = static_cast<std::uint32_t>(canvas.width);
  const auto x = static_cast<int>(address % width), y = static_cast<int>(address / width);
  Macroblock* const first = &canvas.macroblocks[canvas.at(x, y)];
  // A neighbour outside of the slice counts as skipped, and makes the vector zero.
  const Macroblock& left = first[-1];
  if (left.slice == state_.number && !(left.still && (left.flags & Macroblock::kSkip) != 0))
    return 0;
  const int count = syntax_.skip_run(may_be_skipped(address, canvas.width - x));
  if (count == 0) return 0;
  int filled = 0;
  for (; filled + 2 <= count; filled += 2) std::memcpy(first + filled, stills_, sizeof(stills_));
  if (filled < count) first[filled] = stills_[0];
  std::memset(&canvas.is_coded[address], 0, static_cast<std::size_t>(count));
  syntax_.no_qp_delta();
  state_.x = x + count - 1;
  state_.y = y;
  state_.address = address + static_cast<std::uint32_t>(count) - 1;
  state_.current = first + count - 1;
  std::memset(&picture.left_out_qp[address], state_.qp, static_cast<std::size_t>(count));
  return static_cast<std::uint32_t>(count);
}

// How many macroblocks from `address` on, of `count` to the row's end, lie below skipped ones or the
// slice's border: where those before them are skipped, mb_skip_flag has its first context. None where
// another slice may have them already.
template <bool kCabac>
int SliceReader<kCabac>::may_be_skipped(std::uint32_t address, int count) const {
  const Canvas& canvas = state_.canvas;
  if (address < canvas.reached) return 0;
  const auto above = static_cast<std::ptrdiff_t>(address) - canvas.width;
  const std::ptrdiff_t begin = std::max<std::ptrdiff_t>(above, state_.slice.header->first);
  if (begin >= above + count) return count;
  const std::uint8_t* const from = canvas.is_coded.data();
  const void* const coded =
      std::memchr(from + begin, 1, static_cast<std::size_t>(above + count - begin));
  return coded ? static_cast<int>(static_cast<const std::uint8_t*>(coded) - from - above) : count;
}

// P_Skip (8.4.1.1) or B_Skip (8.4.1.2).
template <bool kCabac>
void SliceReader<kCabac>::skip() {
  syntax_.no_qp_delta();
  state_.canvas.is_coded[state_.address] = 0;
  const Macroblock& left = *state_.left;
  const Macroblock& above = *state_.above;
  if (state_.b_slice) {
    state_.current->flags = Macroblock::kSkip | Macroblock::kDirect;
    const Macroblock& third =
        state_.above_right == &kOutsideInter ? *state_.above_left : *state_.above_right;
    if (left.still && above.still && third.still && state_.slice.header->direct_spatial)
      motion_.store_still();
    else
      motion_.store_direct(direct_.derive(motion_));
  } else {
    state_.current->flags = Macroblock::kSkip;
    const bool inside = &left != &kOutsideInter && &above != &kOutsideInter;
    if (inside && (left.still || above.still))
      motion_.store_still();
    else
      motion_.store_uniform({0, kUnused}, {inside ? motion_.skip_vector() : kZero, kZero});
  }
  syntax_.no_residual();
  finish(Mode::kSkip, state_.qp);
}

// macroblock_layer() (7.3.5).
template <bool kCabac>
bool SliceReader<kCabac>::read_macroblock() {
  const int type = syntax_.mb_type();
  state_.canvas.is_coded[state_.address] = 1;
  claim();
  tracking_.begin();
  switch (state_.slice.header->type) {
    case SliceType::kP:
      if (type < kIntraFromP) return read_inter(kTypesP[type], type == kP8x8Ref0);
      return read_intra(type - kIntraFromP);
    case SliceType::kB:
      if (type == kBDirect16x16) return read_direct();
      if (type < kIntraFromB) return read_inter(kTypesB[type - 1], false);
      return read_intra(type - kIntraFromB);
    default: return read_intra(type);
  }
}

// B_Direct_16x16.
template <bool kCabac>
bool SliceReader<kCabac>::read_direct() {
  motion_.store_direct(direct_.derive(motion_));
  state_.current->flags |= Macroblock::kDirect;
  if (!syntax_.coded_block_pattern(false)) return false;
  if (state_.slice.sps->direct_8x8_inference) read_transform_size();
  return read_residual(false);
}

template <bool kCabac>
bool SliceReader<kCabac>::read_inter(const MacroblockType& type, bool no_references) {
  bool small;
  if (!partitions_.read(type, no_references, small)) return false;
  if (!syntax_.coded_block_pattern(false)) return false;
  if (!small) read_transform_size();
  return read_residual(false);
}

template <bool kCabac>
bool SliceReader<kCabac>::read_intra(int type) {
  if (type < 0 || type > kIntraPcm) return false;
  tracking_.take_intra_type(type);
  motion_.store_intra();
  state_.current->flags = Macroblock::kIntra;
  if (state_.left == &kOutsideInter) state_.left = &kOutsideIntra;
  if (state_.above == &kOutsideInter) state_.above = &kOutsideIntra;
  if (type == kIntraPcm) return read_pcm();
  const bool intra_16x16 = type != kIntraNxN;
  if (intra_16x16) {
    state_.current->pattern = intra_16x16_pattern(type);
  } else {
    state_.current->flags |= Macroblock::kIntraNxN;
    int modes = 16;
    if (state_.slice.pps->transform_8x8 && syntax_.transform_size_8x8_flag()) {
      state_.current->flags |= Macroblock::kTransform8x8;
      modes = 4;
    }
    int codes[16];
    syntax_.intra_pred_modes(codes, modes);
    if (tracking_.active()) tracking_.take_intra_modes(codes, modes);
  }
  if (state_.has_chroma && !syntax_.intra_chroma_pred_mode()) return false;
  if (!intra_16x16 && !syntax_.coded_block_pattern(true)) return false;
  return read_residual(intra_16x16);
}

// I_PCM: samples take the place of prediction and residual. Their energy is their distance from
// mid-grey, as if that were the prediction; never 0.
template <bool kCabac>
bool SliceReader<kCabac>::read_pcm() {
  const Sps& sps = *state_.slice.sps;
  const std::size_t begin = (syntax_.position() + 7) / 8 * 8;
  const std::size_t length =
      256 * static_cast<std::size_t>(sps.luma_depth) +
      (state_.has_chroma ? 128 * static_cast<std::size_t>(sps.chroma_depth) : 0);
  if (begin + length > state_.slice.stop) return false;
  if (state_.tracker) {
    state_.tracker->fail();
    return false;
  }
  SliceBits bits(state_.slice.data, state_.slice.size);
  bits.seek(begin);
  const int middle = 1 << (sps.luma_depth - 1);
  for (int y = 0; y < 16; ++y) {
    std::uint32_t* const energy =
        &state_.picture
             .energy[static_cast<std::size_t>(state_.corner + y / 4 * state_.columns)];
    for (int x = 0; x < 16; ++x) {
      const int sample = static_cast<int>(bits.read(sps.luma_depth));
      if (x % 4 == 0 && y % 4 == 0) energy[x / 4] = 1;
      energy[x / 4] += 16 * static_cast<std::uint32_t>(std::abs(sample - middle));
    }
  }
  syntax_.seek(begin + length);
  state_.current->pattern = 0x2F;
  syntax_.pcm();
  syntax_.no_qp_delta();
  finish(Mode::kIntra, 0);
  return true;
}

// transform_size_8x8_flag of an inter macroblock, where the type admits it.
template <bool kCabac>
void SliceReader<kCabac>::read_transform_size() {
  if ((state_.current->pattern & 15) != 0 && state_.slice.pps->transform_8x8 &&
      syntax_.transform_size_8x8_flag())
    state_.current->flags |= Macroblock::kTransform8x8;
}

// mb_qp_delta and residual(), and the macroblock's end.
template <bool kCabac>
bool SliceReader<kCabac>::read_residual(bool intra_16x16) {
  if (state_.current->pattern == 0 && !intra_16x16) {
    syntax_.no_qp_delta();
    syntax_.no_residual();
  } else {
    syntax_.begin_residual();
    if (!read_qp_delta() || !residual_.read(intra_16x16)) return false;
    syntax_.end_residual();
  }
  const bool intra = (state_.current->flags & Macroblock::kIntra) != 0;
  finish(intra ? Mode::kIntra : Mode::kInter, state_.qp);
  return true;
}

// (7-37)
template <bool kCabac>
bool SliceReader<kCabac>::read_qp_delta() {
  const int offset = state_.slice.sps->qp_offset();
  const int range = 52 + offset;
  int delta;
  if (!syntax_.mb_qp_delta(range, delta)) return false;
  if (delta < -range || delta > range) return false;
  state_.qp = (state_.qp + offset + delta + 2 * range) % range - offset;
  return true;
}

// Not left out of the picture's planes: all of them have to be written, of which only the energy is
// added to.
template <bool kCabac>
void SliceReader<kCabac>::claim() {
  if (state_.tracker) return;
  state_.picture.left_out[state_.address] = 0;
  std::uint32_t* energy = state_.picture.energy.data() + state_.corner;
#pragma GCC unroll 4
  for (int row = 0; row < 4; ++row, energy += state_.columns) std::fill_n(energy, 4, 0u);
}

// Mode and QP, once both are known, and motion where it stands still.
template <bool kCabac>
void SliceReader<kCabac>::finish(Mode mode, int qp) {
  if (state_.tracker) return tracking_.report(mode);
  Picture& picture = state_.picture;
  const bool still = state_.current->still;
  if (mode == Mode::kSkip) {
    if (still && picture.common_mode == mode) {
      picture.left_out_qp[state_.address] = static_cast<std::int8_t>(qp);
      return;
    }
    claim();
  }
  if (still) motion_.fill_common();
#pragma GCC unroll 4
  for (int row = 0; row < 4; ++row) {
    const std::ptrdiff_t at = state_.corner + row * state_.columns;
    std::fill_n(picture.mode.data() + at, 4, mode);
    std::fill_n(picture.qp.data() + at, 4, static_cast<std::int8_t>(qp));
  }
}

}  // namespace

bool read_slice(const Slice& slice, Canvas& canvas) {
  return slice.pps->cabac ? SliceReader<true>(slice, canvas).read()
                          : SliceReader<false>(slice, canvas).read();
}

}  // namespace costream::h264
