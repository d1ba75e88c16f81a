#include "slice_data.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "../common/cabac.h"
#include "residual.h"
#include "tables.h"

namespace costream::h264 {
namespace {

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

constexpr Vector kZero(0, 0);
constexpr int kUnused = -1;       // ref_idx of an intra block, or of one that leaves a list out
constexpr int kUnavailable = -2;  // ref_idx outside of the slice, or not decoded yet

// Stand-ins for a neighbour outside of the slice, with what each context takes it for.
constexpr Macroblock make_outside(bool intra) {
  Macroblock outside;
  outside.flags = Macroblock::kIntraNxN | Macroblock::kSkip | Macroblock::kDirect;
  outside.pattern = 0x0F;
  outside.coded = intra ? ~0u : 0;
  outside.coded_chroma = intra ? ~0u : 0;
  for (auto& list : outside.reference)
    for (auto& reference : list) reference = kUnavailable;
  return outside;
}
constexpr Macroblock kOutsideInter = make_outside(false);
constexpr Macroblock kOutsideIntra = make_outside(true);

// Partitions of P and B macroblock types, and the lists that each predicts from (bit 0: list 0).
enum class Shape : std::uint8_t { k16x16, k16x8, k8x16, k8x8 };
struct MacroblockType {
  Shape shape;
  std::uint8_t lists[2];
};
constexpr MacroblockType kTypesP[5] = {{Shape::k16x16, {1, 0}},
                                       {Shape::k16x8, {1, 1}},
                                       {Shape::k8x16, {1, 1}},
                                       {Shape::k8x8, {0, 0}},
                                       {Shape::k8x8, {0, 0}}};
// Table 7-14, from mb_type 1.
constexpr MacroblockType kTypesB[22] = {
    {Shape::k16x16, {1, 0}}, {Shape::k16x16, {2, 0}}, {Shape::k16x16, {3, 0}},
    {Shape::k16x8, {1, 1}},  {Shape::k8x16, {1, 1}},  {Shape::k16x8, {2, 2}},
    {Shape::k8x16, {2, 2}},  {Shape::k16x8, {1, 2}},  {Shape::k8x16, {1, 2}},
    {Shape::k16x8, {2, 1}},  {Shape::k8x16, {2, 1}},  {Shape::k16x8, {1, 3}},
    {Shape::k8x16, {1, 3}},  {Shape::k16x8, {2, 3}},  {Shape::k8x16, {2, 3}},
    {Shape::k16x8, {3, 1}},  {Shape::k8x16, {3, 1}},  {Shape::k16x8, {3, 2}},
    {Shape::k8x16, {3, 2}},  {Shape::k16x8, {3, 3}},  {Shape::k8x16, {3, 3}},
    {Shape::k8x8, {0, 0}}};

// Sub-macroblock types: size of their partitions in 4x4 blocks, lists (0: direct).
struct SubType {
  std::uint8_t width, height, lists;
};
constexpr SubType kSubTypesP[4] = {{2, 2, 1}, {2, 1, 1}, {1, 2, 1}, {1, 1, 1}};
constexpr SubType kSubTypesB[13] = {{1, 1, 0}, {2, 2, 1}, {2, 2, 2}, {2, 2, 3}, {2, 1, 1},
                                    {1, 2, 1}, {2, 1, 2}, {1, 2, 2}, {2, 1, 3}, {1, 2, 3},
                                    {1, 1, 1}, {1, 1, 2}, {1, 1, 3}};

constexpr int kIntraPcm = 25;

// Scales where the transform is bypassed (qP' 0 with qpprime_y_zero_transform_bypass_flag): a
// residual sample counts like a coefficient of the same norm.
template <std::size_t kSize>
constexpr std::array<std::uint16_t, kSize> make_bypass(std::uint16_t scale) {
  std::array<std::uint16_t, kSize> scales{};
  for (auto& entry : scales) entry = scale;
  return scales;
}
constexpr auto kBypass4x4 = make_bypass<16>(16 << 4);
constexpr auto kBypass8x8 = make_bypass<64>(16 << 6);

int median(int a, int b, int c) { return std::max(std::min(a, b), std::min(std::max(a, b), c)); }

struct Neighbour {
  int reference;
  Vector vector;
};

// 8.4.1.3 for `reference`, from the blocks to the left (A), above (B) and above to the right (C).
Vector predict_median(const Neighbour& a, const Neighbour& b, const Neighbour& c, int reference) {
  const int matches =
      (a.reference == reference) + (b.reference == reference) + (c.reference == reference);
  if (matches == 1) {
    if (a.reference == reference) return a.vector;
    return b.reference == reference ? b.vector : c.vector;
  }
  if (b.reference == kUnavailable && c.reference == kUnavailable && a.reference != kUnavailable)
    return a.vector;
  return {median(a.vector.x(), b.vector.x(), c.vector.x()),
          median(a.vector.y(), b.vector.y(), c.vector.y())};
}

// |mvd| for contexts, which only tell up to 32 apart.
std::uint8_t clip_difference(int component) {
  return static_cast<std::uint8_t>(std::min(std::abs(component), 255));
}

// A macroblock's motion while it is read, with its neighbours around: rows and columns of 4x4
// blocks, kStride apart.
struct MotionGrid {
  static constexpr int kStride = 8;
  static constexpr int kSize = 5 * kStride;
  static constexpr int at(int x, int y) { return (y + 1) * kStride + x + 1; }

  std::int8_t reference[2][kSize];
  Vector vector[2][kSize];
  std::array<std::uint8_t, 2> difference[2][kSize];  // |mvd|, clipped

  void fill(int list, int position, int width, int height, int index, Vector motion) {
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) {
        reference[list][position + y * kStride + x] = static_cast<std::int8_t>(index);
        vector[list][position + y * kStride + x] = motion;
      }
    }
  }
  void fill_difference(int list, int position, int width, int height, int x, int y) {
    const std::array<std::uint8_t, 2> clipped = {clip_difference(x), clip_difference(y)};
    for (int row = 0; row < height; ++row)
      for (int column = 0; column < width; ++column)
        difference[list][position + row * kStride + column] = clipped;
  }
  Neighbour neighbour(int list, int position) const {
    return {reference[list][position], vector[list][position]};
  }
};

// Motion of a macroblock that direct prediction derives.
struct DirectMotion {
  bool uniform;          // one for all blocks: only the first ones are set
  int reference[2][4];   // by 8x8 block
  Vector vector[2][16];  // by 4x4 block, row by row

  void expand() {
    if (!uniform) return;
    for (int list = 0; list < 2; ++list) {
      std::fill_n(reference[list] + 1, 3, reference[list][0]);
      std::fill_n(vector[list] + 1, 15, vector[list][0]);
    }
    uniform = false;
  }
};

// A motion that is stored to four blocks in a row: most of what a skipped macroblock costs.
class Pattern {
 public:
  Pattern(const Vector (&vectors)[2], const std::int8_t (&told)[2])
      : vectors_(vectors[0].both() | std::uint64_t{vectors[1].both()} << 32),
        references_(static_cast<std::uint8_t>(told[0]) |
                    static_cast<std::uint64_t>(static_cast<std::uint8_t>(told[1])) << 8) {}
  explicit Pattern(const Motion& motion)
      : Pattern({Vector(motion.vector[0]), Vector(motion.vector[1])},
                {motion.reference[0], motion.reference[1]}) {}

  bool operator==(const Pattern& other) const {
    return vectors_ == other.vectors_ && references_ == other.references_;
  }

  void store(Motion* to) const {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    // Four blocks are five words.
    static_assert(sizeof(Motion) == 10);
    const std::uint64_t words[5] = {
        vectors_, references_ | vectors_ << 16, vectors_ >> 48 | references_ << 16 | vectors_ << 32,
        vectors_ >> 32 | references_ << 32 | vectors_ << 48, vectors_ >> 16 | references_ << 48};
    auto* bytes = reinterpret_cast<unsigned char*>(to);
    for (int word = 0; word < 5; ++word) std::memcpy(bytes + 8 * word, &words[word], 8);
#else
    const auto half = [this](int at) { return static_cast<std::int16_t>(vectors_ >> (16 * at)); };
    const Motion motion = {
        {{half(0), half(1)}, {half(2), half(3)}},
        {static_cast<std::int8_t>(references_ & 0xFF), static_cast<std::int8_t>(references_ >> 8)}};
    std::fill_n(to, 4, motion);
#endif
  }

 private:
  std::uint64_t vectors_;
  std::uint64_t references_;
};

// 4x4 blocks in coding order: x and y.
constexpr std::uint8_t kBlockX[16] = {0, 1, 0, 1, 2, 3, 2, 3, 0, 1, 0, 1, 2, 3, 2, 3};
constexpr std::uint8_t kBlockY[16] = {0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 3, 3, 2, 2, 3, 3};

template <bool kCabac>
class SliceReader {
 public:
  SliceReader(const Slice& slice, Canvas& canvas);
  bool read();

 private:
  // The loop over macroblocks, and one of them. False: damaged.
  bool read_macroblocks();
  bool enter(std::uint32_t address);
  std::uint32_t run_still(std::uint32_t address);
  bool read_macroblock();
  bool read_intra(int type);
  bool read_pcm();
  bool read_inter(const MacroblockType& type, bool zero_references);
  bool read_whole(int used);
  template <bool kAcross>
  bool read_halves(const std::uint8_t (&used)[2]);
  bool read_quarters(bool zero_references, bool& small);
  void read_vector(int list, int position, int width, int height, int reference, Vector predicted);
  bool read_sub_types(std::uint8_t (&types)[4]);
  bool read_residuals(int luma_dc);
  void skip();
  void store_still();
  void claim();
  void finish(Mode mode, int quantiser);

  // Syntax elements.
  bool read_skip_flag();
  int read_type();
  int read_intra_type(int context, bool intra_slice);
  int read_sub_type();
  int read_reference(int list, int blocks);
  int read_reference_index(int list, int block, int limit);
  Vector read_difference(int x, int y);
  int read_component(int context, int neighbours);
  bool read_pattern(bool intra);
  bool read_transform_8x8();
  bool read_quantiser();

  // Motion.
  bool b_slice() const { return slice_.header->type == SliceType::kB; }
  void load_grid(int list);
  void leave_out(int list);
  void load_differences(int list);
  Neighbour outer(const Macroblock& macroblock, int list, int block, std::ptrdiff_t offset) const;
  void outer_neighbours(int list, Neighbour (&abc)[3]) const;
  Neighbour third(int list, int position, int width) const;
  Vector predict(int list, int position, int width, int reference) const;
  void direct(DirectMotion& motion) const;
  void direct_spatial(DirectMotion& motion) const;
  void direct_temporal(DirectMotion& motion) const;
  const Colocated& colocated(int block) const;
  void store_uniform(const int (&references)[2], const Vector (&vectors)[2]);
  void fill_motion(const Vector (&vectors)[2], const std::int8_t (&told)[2]);
  void store_grid();
  void store_direct(const DirectMotion& motion);
  void keep_colocated(int to, int position);
  void fill_colocated(const Colocated& colocated);

  // Residual.
  template <Block kBlock, bool kSum>
  bool residual(int x, int y, int plane, const std::uint16_t* scale, std::uint64_t& sum);
  template <Block kBlock>
  bool luma_4x4(unsigned pattern, const std::uint16_t* scale);
  bool luma_8x8(unsigned pattern);
  void add_means_4x4(int block, const std::uint16_t* scale);
  void add_means_8x8(int block, const std::uint16_t* scale);
  void add_means_16x16(const std::uint16_t* scale);
  void load_totals();
  void keep_totals();
  template <Block kBlock, bool kSum>
  bool residual_cavlc(int x, int y, int plane, const std::uint16_t* scale, int stride,
                      std::uint64_t& sum, std::int32_t* levels);
  template <int kSize, int kShift>
  void add_energy(int x, int y, std::uint64_t sum);

  void take_back();

  // For the tracker.
  void track(Mode mode);
  void track_inter();
  void track_intra_whole();
  void track_intra_parts();
  void derive_intra_modes(const int (&codes)[16], int count);
  float predict_direction(int mode, int x, int y, const float* border) const;

  const Slice& slice_;
  Canvas& canvas_;
  Picture& picture_;
  Frame* const kept_;
  const std::uint32_t number_;  // of the slice
  const std::ptrdiff_t columns_;
  const bool chroma_;
  const Pattern common_;  // of the macroblocks that the picture leaves out
  bool fills_still_;      // what Macroblock::still means is just that

  Cabac cabac_;
  Bits bits_;
  ContextVariable contexts_[kContexts];

  std::uint32_t address_ = 0;
  int x_ = 0, y_ = 0;
  Macroblock* current_ = nullptr;
  const Macroblock* left_ = nullptr;         // A
  const Macroblock* above_ = nullptr;        // B
  const Macroblock* above_right_ = nullptr;  // C
  const Macroblock* above_left_ = nullptr;   // D
  std::ptrdiff_t corner_ = 0;                // its first 4x4 block in the picture
  std::array<std::uint8_t, 16> left_difference_{};
  int quantiser_;
  bool quantiser_changed_ = false;  // mb_qp_delta of the macroblock before was not 0
  MotionGrid grid_;
  // CAVLC: total_coeff of luma, Cb and Cr, laid out like MotionGrid; kOutside for neighbours that
  // there are none of.
  static constexpr std::uint8_t kOutside = 64;
  std::uint8_t totals_[3][MotionGrid::kSize];

  // For the tracker, of the macroblock at hand.
  Tracker* const tracker_;
  bool plain_ = true;              // the weights of the first references are
  int intra_type_ = 0;             // mb_type as in I slices
  std::uint8_t modes_[16] = {};    // of Intra4x4 and Intra8x8 by 4x4 block, row by row
  float means_[16] = {};           // of the residual of its 4x4 blocks, row by row
  std::int32_t levels_[64] = {};   // of the residual block at hand, by position in the scan

  // Direct prediction.
  const Frame* first_of_list1_ = nullptr;
  bool colocated_known_ = false;
  int distance_scale_[kMaxReferences];  // DistScaleFactor; 0 with long_term_: not scaled
  bool long_term_[kMaxReferences];
};

template <bool kCabac>
SliceReader<kCabac>::SliceReader(const Slice& slice, Canvas& canvas)
    : slice_(slice),
      canvas_(canvas),
      picture_(*canvas.picture),
      kept_(canvas.kept),
      number_(++canvas.slice),
      columns_(4 * canvas.width),
      chroma_(slice.sps->chroma_format != 0),
      common_(picture_.common_motion),
      bits_(slice.data, slice.size),
      quantiser_(slice.header->quantiser),
      tracker_(canvas.tracker) {
  bits_.seek(slice.header->data);
  if (kCabac) {
    cabac_ = Cabac(slice.data, slice.size, (slice.header->data + 7) / 8);
    const int quantiser = std::clamp(quantiser_, 0, 51);
    const auto& table = kContextInit[slice.header->cabac_init];
    for (int context = 0; context < kContexts; ++context) {
      contexts_[context] = context_variable(
          std::clamp((table[context][0] * quantiser >> 4) + table[context][1], 1, 126));
    }
  }
  for (const auto& list : slice.header->weights) plain_ &= list[0].plain();
  const Pattern still({kZero, kZero}, {slice.told[0][0], slice.told[1][0]});
  fills_still_ = still == common_ && slice.header->type != SliceType::kI &&
                 (!kept_ || kept_->common.frame == still_colocated(*slice.lists).frame);
  if (!b_slice()) return;
  first_of_list1_ = slice.lists->frames[1][0];
  const std::size_t blocks = static_cast<std::size_t>(canvas.width) *
                             static_cast<std::size_t>(canvas.height) *
                             (slice.sps->direct_8x8_inference ? 4 : 16);
  colocated_known_ =
      first_of_list1_ && first_of_list1_->complete && first_of_list1_->colocated.size() == blocks;
  if (slice.header->direct_spatial) return;
  // 8.4.1.2.3
  const auto distance = [](std::int32_t later, std::int32_t earlier) {
    const std::int64_t difference = std::int64_t{later} - earlier;
    return static_cast<int>(std::clamp<std::int64_t>(difference, -128, 127));
  };
  for (int index = 0; index < kMaxReferences; ++index) {
    const Frame* first = slice.lists->frames[0][static_cast<std::size_t>(index)];
    distance_scale_[index] = 0;
    long_term_[index] = true;
    if (!first || !first_of_list1_ || first->long_term()) continue;
    const int td = distance(first_of_list1_->order, first->order);
    if (td == 0) continue;
    const int tb = distance(slice.order, first->order);
    const int tx = (16384 + std::abs(td / 2)) / td;
    distance_scale_[index] = std::clamp((tb * tx + 32) >> 6, -1024, 1023);
    long_term_[index] = false;
  }
}

template <bool kCabac>
bool SliceReader<kCabac>::read() {
  if (read_macroblocks()) {
    canvas_.covered += address_ + 1 - slice_.header->first;
    return true;
  }
  take_back();
  return false;
}

// Macroblocks of a damaged slice belong to none, and are left out again.
template <bool kCabac>
void SliceReader<kCabac>::take_back() {
  for (int y = 0; y < canvas_.height; ++y) {
    for (int x = 0; x < canvas_.width; ++x) {
      Macroblock& macroblock = canvas_.macroblocks[canvas_.at(x, y)];
      if (macroblock.slice != number_) continue;
      macroblock.slice = 0;
      const auto address = static_cast<std::size_t>(y * canvas_.width + x);
      picture_.left_out[address] = 1;
      if (kept_) kept_->left_out[address] = 1;
    }
  }
}

// The macroblock at `address`, behind the one at hand, becomes the current one. False: another
// slice has it already.
template <bool kCabac>
bool SliceReader<kCabac>::enter(std::uint32_t address) {
  if (current_ && x_ + 1 < canvas_.width) {
    ++x_;
    ++current_;
  } else {
    x_ = static_cast<int>(address % static_cast<std::uint32_t>(canvas_.width));
    y_ = static_cast<int>(address / static_cast<std::uint32_t>(canvas_.width));
    current_ = &canvas_.macroblocks[canvas_.at(x_, y_)];
  }
  address_ = address;
  if (current_->slice >= canvas_.first) return false;
  const std::ptrdiff_t stride = canvas_.width + 1;
  const auto within = [this](const Macroblock* macroblock) {
    return macroblock->slice == number_ ? macroblock : &kOutsideInter;
  };
  left_ = within(current_ - 1);
  above_ = within(current_ - stride);
  above_right_ = within(current_ - stride + 1);
  above_left_ = within(current_ - stride - 1);
  corner_ = 4 * y_ * columns_ + 4 * x_;
  current_->slice = number_;
  current_->flags = 0;
  current_->pattern = 0;
  current_->positive_reference = 0;
  current_->still = false;
  current_->coded = 0;
  current_->coded_chroma = 0;
  return true;
}

// Reads skipped macroblocks that stand still, of a row from `address` on, in P slices: most of a
// quiet picture's. Returns how many.
template <bool kCabac>
std::uint32_t SliceReader<kCabac>::run_still(std::uint32_t address) {
  if (!Cabac::may_run(contexts_[11])) return 0;
  if (!fills_still_ || b_slice() || (tracker_ && !plain_)) return 0;
  if (picture_.common_mode != Mode::kSkip) return 0;
  const auto width = static_cast<std::uint32_t>(canvas_.width);
  const auto x = static_cast<int>(address % width), y = static_cast<int>(address / width);
  Macroblock* const first = &canvas_.macroblocks[canvas_.at(x, y)];
  // A neighbour outside of the slice counts as skipped, and makes the vector zero.
  const Macroblock& left = first[-1];
  if (left.slice == number_ && !(left.still && (left.flags & Macroblock::kSkip) != 0)) return 0;
  // Renormalisation ends a run after 25 macroblocks at most.
  constexpr int kLongest = 25;
  int free = 0;
  while (free < kLongest && x + free < canvas_.width && first[free].slice < canvas_.first) {
    const Macroblock& above = first[free - (canvas_.width + 1)];
    if (above.slice == number_ && (above.flags & Macroblock::kSkip) == 0) break;
    ++free;
  }
  const int count = cabac_.run(contexts_[11], free);
  if (count == 0) return 0;
  Macroblock still;
  still.slice = number_;
  still.flags = Macroblock::kSkip;
  still.still = true;
  std::memset(still.reference[1], kUnused, 4);
  std::fill_n(first, count, still);
  quantiser_changed_ = false;
  x_ = x + count - 1;
  y_ = y;
  address_ = address + static_cast<std::uint32_t>(count) - 1;
  current_ = first + count - 1;
  std::fill_n(picture_.left_out_quantiser.begin() + address, count,
              static_cast<std::int8_t>(quantiser_));
  return static_cast<std::uint32_t>(count);
}

template <bool kCabac>
bool SliceReader<kCabac>::read_macroblocks() {
  const auto count = static_cast<std::uint32_t>(canvas_.width * canvas_.height);
  const bool intra_slice = slice_.header->type == SliceType::kI;
  std::uint32_t address = slice_.header->first;
  if (address >= count) return false;
  if constexpr (kCabac) {
    while (true) {
      address += run_still(address);
      if (address >= count) return false;
      if (!enter(address)) return false;
      cabac_.fill();
      if (!intra_slice && read_skip_flag())
        skip();
      else if (!read_macroblock())
        return false;
      if (cabac_.spent()) return false;
      if (cabac_.terminate()) break;
      if (++address >= count) return false;
    }
    // The last bit read is rbsp_stop_one_bit; but x264 leaves some bits behind it, up to the byte's
    // end.
    return (cabac_.position() + 7) / 8 == slice_.stop / 8 + 1;
  } else {
    while (true) {
      if (!intra_slice) {
        std::uint32_t run = bits_.ue();
        if (run > count - address) return false;
        const bool more = run == 0 || bits_.position() < slice_.stop;
        while (run-- > 0) {
          if (!enter(address++)) return false;
          skip();
        }
        if (!more) break;
        if (address >= count) return false;
      }
      if (!enter(address)) return false;
      if (!read_macroblock()) return false;
      if (bits_.position() >= slice_.stop) break;
      if (++address >= count) return false;
    }
    return bits_.position() == slice_.stop;
  }
}

template <bool kCabac>
bool SliceReader<kCabac>::read_macroblock() {
  int type = read_type();
  claim();
  if (tracker_) std::fill_n(means_, 16, 0.0f);
  switch (slice_.header->type) {
    case SliceType::kP:
      if (type < 5) return read_inter(kTypesP[type], type == 4);
      type -= 5;
      break;
    case SliceType::kB:
      if (type == 0) {
        DirectMotion motion;
        direct(motion);
        store_direct(motion);
        current_->flags |= Macroblock::kDirect;
        if (!read_pattern(false)) return false;
        if ((current_->pattern & 15) != 0 && slice_.pps->transform_8x8 &&
            slice_.sps->direct_8x8_inference && read_transform_8x8())
          current_->flags |= Macroblock::kTransform8x8;
        return read_residuals(-1);
      }
      if (type < 23) return read_inter(kTypesB[type - 1], false);
      type -= 23;
      break;
    default: break;
  }
  return read_intra(type);
}

template <bool kCabac>
bool SliceReader<kCabac>::read_intra(int type) {
  if (type < 0 || type > kIntraPcm) return false;
  intra_type_ = type;
  std::memset(current_->reference, kUnused, sizeof current_->reference);
  fill_motion({kZero, kZero}, {-1, -1});
  current_->flags = Macroblock::kIntra;
  if (kept_) fill_colocated({{0, 0}, kUnused, 0});
  if (left_ == &kOutsideInter) left_ = &kOutsideIntra;
  if (above_ == &kOutsideInter) above_ = &kOutsideIntra;
  if (type == kIntraPcm) return read_pcm();
  int luma_dc = -1;
  if (type == 0) {
    current_->flags |= Macroblock::kIntraNxN;
    int modes = 16;
    if (slice_.pps->transform_8x8 && read_transform_8x8()) {
      current_->flags |= Macroblock::kTransform8x8;
      modes = 4;
    }
    Cabac cabac = cabac_;
    int codes[16];  // rem_intra4x4_pred_mode or rem_intra8x8_pred_mode; -1: as predicted
    for (int mode = 0; mode < modes; ++mode) {
      int code = -1;
      if constexpr (kCabac) {
        if (!cabac.decode(contexts_[68])) {
          code = 0;
          for (int bit = 0; bit < 3; ++bit) code |= cabac.decode_even(contexts_[69]) << bit;
        }
      } else {
        if (!bits_.flag()) code = static_cast<int>(bits_.read(3));
      }
      codes[mode] = code;
    }
    cabac_ = cabac;
    if (tracker_) derive_intra_modes(codes, modes);
  } else {
    luma_dc = 1;
    current_->pattern = static_cast<std::uint8_t>((type >= 13 ? 15 : 0) | (type - 1) / 4 % 3 << 4);
  }
  if (chroma_) {
    if constexpr (kCabac) {
      const int context = ((left_->flags & Macroblock::kChromaMode) != 0) +
                          ((above_->flags & Macroblock::kChromaMode) != 0);
      if (cabac_.decode(contexts_[64 + context])) {
        current_->flags |= Macroblock::kChromaMode;
        if (cabac_.decode(contexts_[67])) cabac_.decode(contexts_[67]);
      }
    } else {
      if (bits_.ue() > 3) return false;
    }
  }
  if (type == 0 && !read_pattern(true)) return false;
  return read_residuals(luma_dc);
}

// Samples take the place of prediction and residual. Their energy is their distance from mid-grey,
// as if that were the prediction; never 0.
template <bool kCabac>
bool SliceReader<kCabac>::read_pcm() {
  const std::size_t begin = ((kCabac ? cabac_.position() : bits_.position()) + 7) / 8 * 8;
  const int luma_depth = slice_.sps->luma_depth;
  const std::size_t length =
      256 * static_cast<std::size_t>(luma_depth) +
      (chroma_ ? 128 * static_cast<std::size_t>(slice_.sps->chroma_depth) : 0);
  if (begin + length > slice_.stop) return false;
  if (tracker_) {
    tracker_->fail();
    return false;
  }
  bits_.seek(begin);
  const int middle = 1 << (luma_depth - 1);
  for (int y = 0; y < 16; ++y) {
    std::uint32_t* const energy =
        &picture_.energy[static_cast<std::size_t>(corner_ + y / 4 * columns_)];
    for (int x = 0; x < 16; ++x) {
      const int sample = static_cast<int>(bits_.read(luma_depth));
      if (x % 4 == 0 && y % 4 == 0) energy[x / 4] = 1;
      energy[x / 4] += 16 * static_cast<std::uint32_t>(std::abs(sample - middle));
    }
  }
  bits_.seek(begin + length);
  if (kCabac) cabac_ = Cabac(slice_.data, slice_.size, (begin + length + 7) / 8);
  current_->flags |= Macroblock::kPcm;
  current_->pattern = 0x2F;
  current_->coded = ~0u;
  current_->coded_chroma = ~0u;
  if (!kCabac) canvas_.totals[address_].fill(16);
  quantiser_changed_ = false;
  finish(Mode::kIntra, 0);
  return true;
}

// Not left out of the picture's planes: all of them have to be written, of which only the energy is
// added to.
template <bool kCabac>
void SliceReader<kCabac>::claim() {
  if (tracker_) return;
  picture_.left_out[address_] = 0;
  std::uint32_t* energy = picture_.energy.data() + corner_;
#pragma GCC unroll 4
  for (int row = 0; row < 4; ++row, energy += columns_) std::fill_n(energy, 4, 0u);
}

// Mode and quantiser, once both are known, and motion where it stands still.
template <bool kCabac>
void SliceReader<kCabac>::finish(Mode mode, int quantiser) {
  if (tracker_) return track(mode);
  const bool still = current_->still;
  if (mode == Mode::kSkip) {
    if (still && picture_.common_mode == mode) {
      picture_.left_out_quantiser[address_] = static_cast<std::int8_t>(quantiser);
      return;
    }
    claim();
  }
#pragma GCC unroll 4
  for (int row = 0; row < 4; ++row) {
    const std::ptrdiff_t at = corner_ + row * columns_;
    if (still) common_.store(picture_.motion.data() + at);
    std::fill_n(picture_.mode.data() + at, 4, mode);
    std::fill_n(picture_.quantiser.data() + at, 4, static_cast<std::int8_t>(quantiser));
  }
}

template <bool kCabac>
void SliceReader<kCabac>::skip() {
  quantiser_changed_ = false;
  if (b_slice()) {
    current_->flags = Macroblock::kSkip | Macroblock::kDirect;
    const Macroblock* third = above_right_ == &kOutsideInter ? above_left_ : above_right_;
    if (left_->still && above_->still && third->still && slice_.header->direct_spatial) {
      store_still();
    } else {
      DirectMotion motion;
      direct(motion);
      store_direct(motion);
    }
  } else {
    current_->flags = Macroblock::kSkip;
    const bool inside = left_ != &kOutsideInter && above_ != &kOutsideInter;
    if (inside && (left_->still || above_->still)) {
      store_still();
    } else {
      Vector vector = kZero;
      if (inside) {
        Neighbour abc[3];
        outer_neighbours(0, abc);
        const auto stands = [](const Neighbour& neighbour) {
          return neighbour.reference == 0 && neighbour.vector == kZero;
        };
        if (!stands(abc[0]) && !stands(abc[1])) vector = predict_median(abc[0], abc[1], abc[2], 0);
      }
      store_uniform({0, kUnused}, {vector, kZero});
    }
  }
  if (!kCabac) canvas_.totals[address_].fill(0);
  finish(Mode::kSkip, quantiser_);
}

// A macroblock like its neighbours, that the picture leaves out: most of a quiet picture's.
template <bool kCabac>
void SliceReader<kCabac>::store_still() {
  current_->still = true;
  std::memset(current_->reference[0], 0, 4);
  std::memset(current_->reference[1], b_slice() ? 0 : kUnused, 4);
}

template <bool kCabac>
bool SliceReader<kCabac>::read_inter(const MacroblockType& type, bool zero_references) {
  bool small = false;  // has partitions below 8x8
  bool read = false;
  switch (type.shape) {
    case Shape::k16x16: read = read_whole(type.lists[0]); break;
    case Shape::k16x8: read = read_halves<false>(type.lists); break;
    case Shape::k8x16: read = read_halves<true>(type.lists); break;
    case Shape::k8x8: read = read_quarters(zero_references, small); break;
  }
  if (!read || !read_pattern(false)) return false;
  if ((current_->pattern & 15) != 0 && slice_.pps->transform_8x8 && !small && read_transform_8x8())
    current_->flags |= Macroblock::kTransform8x8;
  return read_residuals(-1);
}

// One partition: needs no grid.
template <bool kCabac>
bool SliceReader<kCabac>::read_whole(int used) {
  int references[2] = {kUnused, kUnused};
  Vector vectors[2] = {kZero, kZero};
  for (int list = 0; list < 2; ++list) {
    if ((used >> list & 1) == 0) continue;
    references[list] = read_reference(list, 0xF);
    if (references[list] < 0) return false;
  }
  current_->flags |= Macroblock::kDifference;
  auto& lowest = canvas_.differences[static_cast<std::size_t>(x_)];
  const int left = (left_->flags & Macroblock::kDifference) != 0 ? -1 : 0;
  const int above = (above_->flags & Macroblock::kDifference) != 0 ? -1 : 0;
  for (std::size_t list = 0; list < 2; ++list) {
    std::uint8_t clipped[2] = {0, 0};
    if ((used >> list & 1) != 0) {
      Neighbour abc[3];
      outer_neighbours(static_cast<int>(list), abc);
      const Vector predicted = predict_median(abc[0], abc[1], abc[2], references[list]);
      int sums[2] = {0, 0};
      for (std::size_t axis = 0; kCabac && axis < 2; ++axis) {
        sums[axis] += left_difference_[8 * list + axis] & left;
        sums[axis] += lowest[8 * list + axis] & above;
      }
      const Vector difference = read_difference(sums[0], sums[1]);
      vectors[list] = Vector(predicted.x() + difference.x(), predicted.y() + difference.y());
      clipped[0] = clip_difference(difference.x());
      clipped[1] = clip_difference(difference.y());
    }
    if (!kCabac) continue;
    for (std::size_t at = 8 * list; at < 8 * list + 8; at += 2) {
      std::memcpy(&lowest[at], clipped, 2);
      std::memcpy(&left_difference_[at], clipped, 2);
    }
  }
  store_uniform(references, vectors);
  return true;
}

// Two partitions, side by side (kAcross: 8x16) or one below the other (16x8).
template <bool kCabac>
template <bool kAcross>
bool SliceReader<kCabac>::read_halves(const std::uint8_t (&used)[2]) {
  constexpr int kWidth = kAcross ? 2 : 4;
  constexpr int kHeight = kAcross ? 4 : 2;
  constexpr int kBlocks[2] = {kAcross ? 5 : 3, kAcross ? 10 : 12};
  int references[2][2];
  for (int list = 0; list < 2; ++list) {
    for (int part = 0; part < 2; ++part) {
      references[list][part] = kUnused;
      if ((used[part] >> list & 1) == 0) continue;
      references[list][part] = read_reference(list, kBlocks[part]);
      if (references[list][part] < 0) return false;
    }
  }
  for (int list = 0; list < 2; ++list) {
    if (((used[0] | used[1]) >> list & 1) == 0) {
      leave_out(list);
      continue;
    }
    load_grid(list);
    for (int part = 0; part < 2; ++part) {
      const int position = kAcross ? MotionGrid::at(2 * part, 0) : MotionGrid::at(0, 2 * part);
      const int reference = references[list][part];
      if (reference < 0) {
        grid_.fill(list, position, kWidth, kHeight, kUnused, kZero);
        continue;
      }
      // Each prefers one neighbour.
      const Neighbour preferred =
          kAcross == (part == 0) ? grid_.neighbour(list, position - 1)
          : kAcross ? third(list, position, kWidth)
                    : grid_.neighbour(list, position - (part == 0 ? MotionGrid::kStride : 1));
      read_vector(list, position, kWidth, kHeight, reference,
                  preferred.reference == reference ? preferred.vector
                                                   : predict(list, position, kWidth, reference));
    }
  }
  store_grid();
  return true;
}

// Four sub-macroblocks.
template <bool kCabac>
bool SliceReader<kCabac>::read_quarters(bool zero_references, bool& small) {
  std::uint8_t types[4];
  if (!read_sub_types(types)) return false;
  SubType sub[4];
  int any_used = 0;
  bool any_direct = false;
  for (int block = 0; block < 4; ++block) {
    sub[block] = b_slice() ? kSubTypesB[types[block]] : kSubTypesP[types[block]];
    any_used |= sub[block].lists;
    any_direct |= sub[block].lists == 0;
    small |= sub[block].lists == 0 ? !slice_.sps->direct_8x8_inference
                                   : sub[block].width * sub[block].height < 4;
  }
  DirectMotion direct_motion;
  if (any_direct) {
    direct(direct_motion);
    direct_motion.expand();
    any_used = 3;
  }
  int references[2][4];
  for (int list = 0; list < 2; ++list) {
    for (int block = 0; block < 4; ++block) {
      references[list][block] = kUnused;
      if ((sub[block].lists >> list & 1) == 0) continue;
      references[list][block] = zero_references ? 0 : read_reference(list, 1 << block);
      if (references[list][block] < 0) return false;
    }
  }
  for (int list = 0; list < 2; ++list) {
    if ((any_used >> list & 1) == 0) {
      leave_out(list);
      continue;
    }
    load_grid(list);
    for (int block = 0; block < 4; ++block) {
      const int x = 2 * (block & 1);
      const int y = block & 2;
      const int reference = references[list][block];
      if (sub[block].lists == 0) {
        for (int at = 0; at < 4; ++at) {
          const int to_x = x + (at & 1);
          const int to_y = y + (at >> 1);
          grid_.fill(list, MotionGrid::at(to_x, to_y), 1, 1, direct_motion.reference[list][block],
                     direct_motion.vector[list][4 * to_y + to_x]);
        }
      } else if (reference < 0) {
        grid_.fill(list, MotionGrid::at(x, y), 2, 2, kUnused, kZero);
      } else {
        for (int down = 0; down < 2; down += sub[block].height) {
          for (int right = 0; right < 2; right += sub[block].width) {
            const int position = MotionGrid::at(x + right, y + down);
            read_vector(list, position, sub[block].width, sub[block].height, reference,
                        predict(list, position, sub[block].width, reference));
          }
        }
      }
    }
  }
  store_grid();
  return true;
}

// The vector of a partition in the grid.
template <bool kCabac>
void SliceReader<kCabac>::read_vector(int list, int position, int width, int height, int reference,
                                      Vector predicted) {
  int sums[2] = {0, 0};
  for (std::size_t axis = 0; kCabac && axis < 2; ++axis)
    sums[axis] = grid_.difference[list][position - 1][axis] +
                 grid_.difference[list][position - MotionGrid::kStride][axis];
  const Vector difference = read_difference(sums[0], sums[1]);
  grid_.fill(list, position, width, height, reference,
             Vector(predicted.x() + difference.x(), predicted.y() + difference.y()));
  if (kCabac) grid_.fill_difference(list, position, width, height, difference.x(), difference.y());
}

// Nothing of the macroblock in the grid is predicted from `list`.
template <bool kCabac>
void SliceReader<kCabac>::leave_out(int list) {
  grid_.fill(list, MotionGrid::at(0, 0), 4, 4, kUnused, kZero);
  if (kCabac) grid_.fill_difference(list, MotionGrid::at(0, 0), 4, 4, 0, 0);
}

template <bool kCabac>
bool SliceReader<kCabac>::read_sub_types(std::uint8_t (&types)[4]) {
  for (auto& type : types) {
    const int value = read_sub_type();
    if (value < 0 || value > (b_slice() ? 12 : 3)) return false;
    type = static_cast<std::uint8_t>(value);
  }
  return true;
}

// Syntax elements -----------------------------------------------------------------------------

template <bool kCabac>
bool SliceReader<kCabac>::read_skip_flag() {
  const int context =
      ((left_->flags & Macroblock::kSkip) == 0) + ((above_->flags & Macroblock::kSkip) == 0);
  return cabac_.decode(contexts_[(b_slice() ? 24 : 11) + context]);
}

// mb_type, as CAVLC numbers it in the slice's type.
template <bool kCabac>
int SliceReader<kCabac>::read_type() {
  if constexpr (!kCabac) {
    return static_cast<int>(bits_.ue());
  } else {
    ContextVariable* const contexts = contexts_;
    switch (slice_.header->type) {
      case SliceType::kP:
        if (cabac_.decode(contexts[14])) return 5 + read_intra_type(17, false);
        if (!cabac_.decode(contexts[15])) return cabac_.decode(contexts[16]) ? 3 : 0;
        return cabac_.decode(contexts[17]) ? 1 : 2;
      case SliceType::kB: {
        const int context = ((left_->flags & Macroblock::kDirect) == 0) +
                            ((above_->flags & Macroblock::kDirect) == 0);
        if (!cabac_.decode(contexts[27 + context])) return 0;
        if (!cabac_.decode(contexts[30])) return 1 + cabac_.decode(contexts[32]);
        int code = cabac_.decode(contexts[31]);
        for (int bit = 0; bit < 3; ++bit) code = code << 1 | cabac_.decode(contexts[32]);
        if (code < 8) return 3 + code;
        if (code == 13) return 23 + read_intra_type(32, false);
        if (code == 14) return 11;
        if (code == 15) return 22;
        return (code << 1 | cabac_.decode(contexts[32])) - 4;
      }
      default: return read_intra_type(3, true);
    }
  }
}

template <bool kCabac>
int SliceReader<kCabac>::read_intra_type(int context, bool intra_slice) {
  ContextVariable* contexts = contexts_ + context;
  if (intra_slice) {
    const int increment = ((left_->flags & Macroblock::kIntraNxN) == 0) +
                          ((above_->flags & Macroblock::kIntraNxN) == 0);
    if (!cabac_.decode(contexts[increment])) return 0;
    contexts += 2;
  } else if (!cabac_.decode(contexts[0])) {
    return 0;
  }
  // In P and B slices the bins behind share contexts where I slices have two.
  const int own = intra_slice ? 1 : 0;
  if (cabac_.terminate()) return kIntraPcm;
  int type = 1 + 12 * cabac_.decode(contexts[1]);
  if (cabac_.decode(contexts[2])) type += 4 + 4 * cabac_.decode(contexts[2 + own]);
  type += 2 * cabac_.decode(contexts[3 + own]);
  type += cabac_.decode(contexts[3 + 2 * own]);
  return type;
}

template <bool kCabac>
int SliceReader<kCabac>::read_sub_type() {
  if constexpr (!kCabac) {
    return static_cast<int>(bits_.ue());
  } else {
    ContextVariable* const contexts = contexts_;
    if (!b_slice()) {
      if (cabac_.decode(contexts[21])) return 0;
      if (!cabac_.decode(contexts[22])) return 1;
      return cabac_.decode(contexts[23]) ? 2 : 3;
    }
    if (!cabac_.decode(contexts[36])) return 0;
    if (!cabac_.decode(contexts[37])) return 1 + cabac_.decode(contexts[39]);
    int type = 3;
    if (cabac_.decode(contexts[38])) {
      if (cabac_.decode(contexts[39])) return 11 + cabac_.decode(contexts[39]);
      type += 4;
    }
    type += 2 * cabac_.decode(contexts[39]);
    return type + cabac_.decode(contexts[39]);
  }
}

// ref_idx of a partition, which the 8x8 blocks whose bits are set in `blocks` belong to. -1:
// damaged.
template <bool kCabac>
int SliceReader<kCabac>::read_reference(int list, int blocks) {
  const int limit = slice_.header->references[list];
  if (limit == 1) return 0;
  const int reference =
      read_reference_index(list, __builtin_ctz(static_cast<unsigned>(blocks)), limit);
  if (reference < 0 || reference >= limit) return -1;
  // What is read next takes its context from this.
  if (reference > 0)
    current_->positive_reference |= static_cast<std::uint8_t>(blocks << (4 * list));
  return reference;
}

template <bool kCabac>
int SliceReader<kCabac>::read_reference_index(int list, int block, int limit) {
  if constexpr (!kCabac) {
    (void)list;
    (void)block;
    if (limit == 2) return bits_.flag() ? 0 : 1;
    return static_cast<int>(bits_.ue());
  } else {
    (void)limit;
    const int mine = current_->positive_reference >> (4 * list);
    const int left = (block & 1) != 0 ? mine >> (block - 1)
                                      : left_->positive_reference >> (4 * list + block + 1);
    const int above = (block & 2) != 0 ? mine >> (block - 2)
                                       : above_->positive_reference >> (4 * list + block + 2);
    int context = (left & 1) + 2 * (above & 1);
    int reference = 0;
    while (cabac_.decode(contexts_[54 + context])) {
      if (++reference >= kMaxReferences) return -1;
      context = (context >> 2) + 4;
    }
    return reference;
  }
}

// `x` and `y`: the neighbours' sums, for contexts.
template <bool kCabac>
Vector SliceReader<kCabac>::read_difference(int x, int y) {
  if constexpr (kCabac) {
    x = read_component(40, x);
    y = read_component(47, y);
  } else {
    x = bits_.se();
    y = bits_.se();
  }
  return {x, y};
}

// mvd_l0 or mvd_l1; `neighbours`: sum of their magnitudes.
template <bool kCabac>
int SliceReader<kCabac>::read_component(int context, int neighbours) {
  ContextVariable* const contexts = contexts_ + context;
  Cabac cabac = cabac_;
  int magnitude = 0;
  if (cabac.decode(contexts[neighbours < 3 ? 0 : neighbours > 32 ? 2 : 1])) {
    magnitude = 1;
    int at = 3;
    while (magnitude < 9 && cabac.decode(contexts[at])) {
      if (at < 6) ++at;
      ++magnitude;
    }
    if (magnitude == 9) {
      int bits = 3;
      // A conforming vector never has more; the slice will not end where it should.
      while (bits < 20 && cabac.bypass()) magnitude += 1 << bits++;
      magnitude += static_cast<int>(cabac.bypass(bits));
    }
    // Without a branch, which nothing would foretell.
    const int sign = -static_cast<int>(cabac.bypass());
    magnitude = (magnitude ^ sign) - sign;
  }
  cabac_ = cabac;
  return magnitude;
}

template <bool kCabac>
bool SliceReader<kCabac>::read_pattern(bool intra) {
  if constexpr (!kCabac) {
    const std::uint32_t code = bits_.ue();
    if (code >= (chroma_ ? 48u : 16u)) return false;
    current_->pattern = chroma_ ? kCodedBlockPattern[intra ? 0 : 1][code]
                                : kCodedBlockPatternGrey[intra ? 0 : 1][code];
  } else {
    (void)intra;
    const int left = left_->pattern;
    const int above = above_->pattern;
    int pattern = 0;
    const auto bit = [&](int a, int b) {
      return static_cast<int>(cabac_.decode(contexts_[73 + (a == 0) + 2 * (b == 0)]));
    };
    pattern |= bit(left & 2, above & 4);
    pattern |= bit(pattern & 1, above & 8) << 1;
    pattern |= bit(left & 8, pattern & 1) << 2;
    pattern |= bit(pattern & 4, pattern & 2) << 3;
    if (chroma_ && cabac_.decode(contexts_[77 + (left >> 4 != 0) + 2 * (above >> 4 != 0)]))
      pattern |= cabac_.decode(contexts_[81 + (left >> 4 == 2) + 2 * (above >> 4 == 2)]) ? 32 : 16;
    current_->pattern = static_cast<std::uint8_t>(pattern);
  }
  return true;
}

template <bool kCabac>
bool SliceReader<kCabac>::read_transform_8x8() {
  if constexpr (!kCabac) {
    return bits_.flag();
  } else {
    const int context = ((left_->flags & Macroblock::kTransform8x8) != 0) +
                        ((above_->flags & Macroblock::kTransform8x8) != 0);
    return cabac_.decode(contexts_[399 + context]);
  }
}

// mb_qp_delta
template <bool kCabac>
bool SliceReader<kCabac>::read_quantiser() {
  const int offset = slice_.sps->quantiser_offset();
  const int range = 52 + offset;
  int delta;
  if constexpr (!kCabac) {
    delta = bits_.se();
  } else {
    delta = 0;
    if (cabac_.decode(contexts_[60 + quantiser_changed_])) {
      int code = 1;
      int context = 62;
      while (cabac_.decode(contexts_[context])) {
        context = 63;
        if (++code > 2 * range) return false;
      }
      delta = code & 1 ? (code + 1) / 2 : -(code / 2);
    }
  }
  if (delta < -range || delta > range) return false;
  quantiser_changed_ = delta != 0;
  quantiser_ = (quantiser_ + offset + delta + 2 * range) % range - offset;
  return true;
}

// Motion --------------------------------------------------------------------------------------

// A block of a neighbouring macroblock: its ref_idx from `block` (8x8), its vector from the 4x4
// block at `offset` from the current macroblock's first one.
template <bool kCabac>
Neighbour SliceReader<kCabac>::outer(const Macroblock& macroblock, int list, int block,
                                     std::ptrdiff_t offset) const {
  const int reference = macroblock.reference[list][block];
  if (reference < 0 || macroblock.still) return {reference, kZero};
  const Motion& motion = picture_.motion[static_cast<std::size_t>(corner_ + offset)];
  return {reference, Vector(motion.vector[list])};
}

// A, B and C (or D in its place) of the whole macroblock.
template <bool kCabac>
void SliceReader<kCabac>::outer_neighbours(int list, Neighbour (&abc)[3]) const {
  abc[0] = outer(*left_, list, 1, -1);
  abc[1] = outer(*above_, list, 2, -columns_);
  abc[2] = outer(*above_right_, list, 2, -columns_ + 4);
  if (abc[2].reference == kUnavailable) abc[2] = outer(*above_left_, list, 3, -columns_ - 1);
}

template <bool kCabac>
void SliceReader<kCabac>::load_grid(int list) {
  const auto load = [&](int position, const Macroblock& macroblock, int block,
                        std::ptrdiff_t offset) {
    const Neighbour neighbour = outer(macroblock, list, block, offset);
    grid_.reference[list][position] = static_cast<std::int8_t>(neighbour.reference);
    grid_.vector[list][position] = neighbour.vector;
  };
  load(MotionGrid::at(-1, -1), *above_left_, 3, -columns_ - 1);
#pragma GCC unroll 4
  for (int x = 0; x < 4; ++x) load(MotionGrid::at(x, -1), *above_, 2 + x / 2, -columns_ + x);
  load(MotionGrid::at(4, -1), *above_right_, 2, -columns_ + 4);
#pragma GCC unroll 4
  for (int y = 0; y < 4; ++y) {
    load(MotionGrid::at(-1, y), *left_, 1 + (y & 2), y * columns_ - 1);
    // Not decoded yet, or never before this macroblock.
    std::memset(&grid_.reference[list][MotionGrid::at(0, y)], kUnavailable, 5);
  }
  if (kCabac) load_differences(list);
}

template <bool kCabac>
void SliceReader<kCabac>::load_differences(int list) {
  const bool left = (left_->flags & Macroblock::kDifference) != 0;
  const bool above = (above_->flags & Macroblock::kDifference) != 0;
  const auto& above_row = canvas_.differences[static_cast<std::size_t>(x_)];
  auto& grid = grid_.difference[list];
  for (int at = 0; at < 4; ++at) {
    const auto from = static_cast<std::size_t>(8 * list + 2 * at);
    auto& to_above = grid[MotionGrid::at(at, -1)];
    to_above = {0, 0};
    if (above) to_above = {above_row[from], above_row[from + 1]};
    auto& to_left = grid[MotionGrid::at(-1, at)];
    to_left = {0, 0};
    if (left) to_left = {left_difference_[from], left_difference_[from + 1]};
    std::memset(&grid[MotionGrid::at(0, at)], 0, 8);
  }
}

template <bool kCabac>
Neighbour SliceReader<kCabac>::third(int list, int position, int width) const {
  const int right = position - MotionGrid::kStride + width;
  const bool available = grid_.reference[list][right] != kUnavailable;
  return grid_.neighbour(list, available ? right : position - MotionGrid::kStride - 1);
}

template <bool kCabac>
Vector SliceReader<kCabac>::predict(int list, int position, int width, int reference) const {
  return predict_median(grid_.neighbour(list, position - 1),
                        grid_.neighbour(list, position - MotionGrid::kStride),
                        third(list, position, width), reference);
}

template <bool kCabac>
void SliceReader<kCabac>::direct(DirectMotion& motion) const {
  if (slice_.header->direct_spatial)
    direct_spatial(motion);
  else
    direct_temporal(motion);
}

// Of the 4x4 block, row by row; with direct_8x8_inference_flag that of its 8x8 block's corner.
template <bool kCabac>
const Colocated& SliceReader<kCabac>::colocated(int block) const {
  static constexpr Colocated kNone = {{0, 0}, kUnused, 0};
  if (!colocated_known_) return kNone;
  if (first_of_list1_->left_out[address_] != 0) return first_of_list1_->common;
  if (slice_.sps->direct_8x8_inference) {
    const int corner = (block >> 3) * 2 + (block >> 1 & 1);
    return first_of_list1_
        ->colocated[4 * static_cast<std::size_t>(address_) + static_cast<std::size_t>(corner)];
  }
  return first_of_list1_
      ->colocated[16 * static_cast<std::size_t>(address_) + static_cast<std::size_t>(block)];
}

template <bool kCabac>
void SliceReader<kCabac>::direct_spatial(DirectMotion& motion) const {
  int references[2];
  Vector vectors[2];
  for (int list = 0; list < 2; ++list) {
    Neighbour abc[3];
    outer_neighbours(list, abc);
    // The smallest that is used: as unsigned, those that aren't are greatest.
    unsigned least = static_cast<unsigned>(abc[0].reference);
    least = std::min(least, static_cast<unsigned>(abc[1].reference));
    least = std::min(least, static_cast<unsigned>(abc[2].reference));
    references[list] = std::max(static_cast<int>(least), kUnused);
    vectors[list] = kZero;
    if (references[list] >= 0)
      vectors[list] = predict_median(abc[0], abc[1], abc[2], references[list]);
  }
  const bool neither = references[0] < 0 && references[1] < 0;
  if (neither) references[0] = references[1] = 0;
  motion.uniform = true;
  for (int list = 0; list < 2; ++list) {
    motion.reference[list][0] = references[list];
    motion.vector[list][0] = vectors[list];
  }

  // A block whose colocated one stands still does so too where it refers to the nearest frame.
  const bool may_stand =
      !neither && first_of_list1_ && !first_of_list1_->long_term() &&
      ((references[0] == 0 && vectors[0] != kZero) || (references[1] == 0 && vectors[1] != kZero));
  const auto stands = [this](int block) {
    const Colocated& there = colocated(block);
    return static_cast<std::uint32_t>((there.reference == 0) &
                                      (static_cast<unsigned>(there.vector[0] + 1) <= 2) &
                                      (static_cast<unsigned>(there.vector[1] + 1) <= 2));
  };
  std::uint32_t standing = 0;
  if (may_stand && slice_.sps->direct_8x8_inference) {
    for (const int block : {0, 2, 8, 10}) standing |= stands(block) * 0x33 << block;
  } else if (may_stand) {
    for (int block = 0; block < 16; ++block) standing |= stands(block) << block;
  }
  if (standing == 0) return;
  if (standing == 0xFFFF) {
    for (int list = 0; list < 2; ++list)
      if (references[list] == 0) motion.vector[list][0] = kZero;
    return;
  }
  motion.expand();
  for (int list = 0; list < 2; ++list) {
    if (references[list] != 0) continue;
    for (int block = 0; block < 16; ++block)
      if ((standing >> block & 1) != 0) motion.vector[list][block] = kZero;
  }
}

template <bool kCabac>
void SliceReader<kCabac>::direct_temporal(DirectMotion& motion) const {
  motion.uniform = false;
  const bool whole = slice_.sps->direct_8x8_inference;
  for (int block = 0; block < 16; ++block) {
    const bool corner = (block & 5) == 0;
    if (whole && !corner) continue;
    const Colocated& there = colocated(block);
    int reference = 0;
    Vector vectors[2] = {kZero, kZero};
    if (there.reference >= 0) {
      const int size = slice_.lists->size[0];
      for (int index = 0; index < size; ++index) {
        const Frame* frame = slice_.lists->frames[0][static_cast<std::size_t>(index)];
        if (frame && frame->id == there.frame) {
          reference = index;
          break;
        }
      }
      if (long_term_[reference]) {
        vectors[0] = Vector(there.vector);
      } else {
        const int scale = distance_scale_[reference];
        vectors[0] =
            Vector((scale * there.vector[0] + 128) >> 8, (scale * there.vector[1] + 128) >> 8);
        vectors[1] = Vector(vectors[0].x() - there.vector[0], vectors[0].y() - there.vector[1]);
      }
    }
    const int eighth = (block >> 3) * 2 + (block >> 1 & 1);
    motion.reference[0][eighth] = reference;
    motion.reference[1][eighth] = 0;
    for (int list = 0; list < 2; ++list) {
      if (whole)
        for (const int other : {0, 1, 4, 5}) motion.vector[list][block + other] = vectors[list];
      else
        motion.vector[list][block] = vectors[list];
    }
  }
}

// `told`: index in Picture::references by list.
template <bool kCabac>
void SliceReader<kCabac>::fill_motion(const Vector (&vectors)[2], const std::int8_t (&told)[2]) {
  const Pattern pattern(vectors, told);
  Motion* to = picture_.motion.data() + corner_;
  for (int row = 0; row < 4; ++row, to += columns_) pattern.store(to);
}

// One motion for the whole macroblock.
template <bool kCabac>
void SliceReader<kCabac>::store_uniform(const int (&references)[2], const Vector (&vectors)[2]) {
  std::int8_t told[2];
  for (std::size_t list = 0; list < 2; ++list) {
    const int reference = references[list];
    told[list] =
        reference < 0 ? std::int8_t{-1} : slice_.told[list][static_cast<std::size_t>(reference)];
    std::memset(current_->reference[list], reference, 4);
  }
  current_->still = static_cast<bool>(
      fills_still_ & (references[0] == 0) & (references[1] == (b_slice() ? 0 : kUnused)) &
      ((vectors[0].both() | vectors[1].both()) == 0));
  if (current_->still) return;
  fill_motion(vectors, told);
  if (!kept_) return;
  const bool second = references[0] < 0;
  const Frame* frame =
      slice_.lists->frames[second][static_cast<std::size_t>(references[second ? 1 : 0])];
  Colocated colocated;
  vectors[second].store(colocated.vector);
  colocated.reference = static_cast<std::int16_t>(references[second]);
  colocated.frame = frame ? frame->id : std::uint16_t{0};
  fill_colocated(colocated);
}

template <bool kCabac>
void SliceReader<kCabac>::fill_colocated(const Colocated& colocated) {
  const std::size_t blocks = slice_.sps->direct_8x8_inference ? 4 : 16;
  kept_->left_out[address_] = 0;
  std::fill_n(kept_->colocated.data() + address_ * blocks, blocks, colocated);
}

// The grid's motion.
template <bool kCabac>
void SliceReader<kCabac>::store_grid() {
#pragma GCC unroll 4
  for (int y = 0; y < 4; ++y) {
    Motion* to = picture_.motion.data() + corner_ + y * columns_;
#pragma GCC unroll 4
    for (int x = 0; x < 4; ++x, ++to) {
      const int position = MotionGrid::at(x, y);
      for (std::size_t list = 0; list < 2; ++list) {
        const int reference = grid_.reference[list][position];
        grid_.vector[list][position].store(to->vector[list]);
        to->reference[list] = reference < 0
                                  ? std::int8_t{-1}
                                  : slice_.told[list][static_cast<std::size_t>(reference)];
      }
    }
  }
  for (int list = 0; list < 2; ++list) {
    for (int block = 0; block < 4; ++block)
      current_->reference[list][block] =
          grid_.reference[list][MotionGrid::at(2 * (block & 1), block & 2)];
  }
  if (kCabac) {
    current_->flags |= Macroblock::kDifference;
    auto& lowest = canvas_.differences[static_cast<std::size_t>(x_)];
    for (int list = 0; list < (b_slice() ? 2 : 1); ++list) {
      for (int at = 0; at < 4; ++at) {
        std::memcpy(&lowest[static_cast<std::size_t>(8 * list + 2 * at)],
                    &grid_.difference[list][MotionGrid::at(at, 3)], 2);
        std::memcpy(&left_difference_[static_cast<std::size_t>(8 * list + 2 * at)],
                    &grid_.difference[list][MotionGrid::at(3, at)], 2);
      }
    }
  }
  if (!kept_) return;
  kept_->left_out[address_] = 0;
  if (slice_.sps->direct_8x8_inference) {
    for (int corner = 0; corner < 4; ++corner)
      keep_colocated(4 * static_cast<int>(address_) + corner,
                     MotionGrid::at(3 * (corner & 1), 3 * (corner >> 1)));
  } else {
    for (int block = 0; block < 16; ++block)
      keep_colocated(16 * static_cast<int>(address_) + block,
                     MotionGrid::at(block & 3, block >> 2));
  }
}

// The grid's block at `position` becomes entry `to` of the colocated ones.
template <bool kCabac>
void SliceReader<kCabac>::keep_colocated(int to, int position) {
  const int list = grid_.reference[0][position] < 0 ? 1 : 0;
  const int reference = grid_.reference[list][position];
  const Frame* frame =
      reference < 0 ? nullptr : slice_.lists->frames[list][static_cast<std::size_t>(reference)];
  Colocated& kept = kept_->colocated[static_cast<std::size_t>(to)];
  grid_.vector[list][position].store(kept.vector);
  kept.reference = static_cast<std::int16_t>(reference);
  kept.frame = frame ? frame->id : std::uint16_t{0};
}

template <bool kCabac>
void SliceReader<kCabac>::store_direct(const DirectMotion& motion) {
  if (motion.uniform) {
    store_uniform({motion.reference[0][0], motion.reference[1][0]},
                  {motion.vector[0][0], motion.vector[1][0]});
    return;
  }
  for (int list = 0; list < 2; ++list) {
    for (int block = 0; block < 16; ++block) {
      const int position = MotionGrid::at(block & 3, block >> 2);
      grid_.reference[list][position] =
          static_cast<std::int8_t>(motion.reference[list][(block >> 3) * 2 + (block >> 1 & 1)]);
      grid_.vector[list][position] = motion.vector[list][block];
      grid_.difference[list][position] = {0, 0};
    }
  }
  store_grid();
}

// Residual ------------------------------------------------------------------------------------

template <bool kCabac>
void SliceReader<kCabac>::load_totals() {
  const auto outside = [](const Macroblock* macroblock) {
    return macroblock == &kOutsideInter || macroblock == &kOutsideIntra;
  };
  const bool left = !outside(left_);
  const bool above = !outside(above_);
  for (int plane = 0; plane < 3; ++plane) {
    const int width = plane == 0 ? 4 : 2;
    const auto base = static_cast<std::size_t>(plane == 0 ? 0 : 12 + 4 * plane);
    for (int at = 0; at < width; ++at) {
      const auto right = base + static_cast<std::size_t>(at * width + width - 1);
      const auto lowest = base + static_cast<std::size_t>((width - 1) * width + at);
      totals_[plane][MotionGrid::at(-1, at)] =
          left ? canvas_.totals[address_ - 1][right] : kOutside;
      totals_[plane][MotionGrid::at(at, -1)] =
          above ? canvas_.totals[address_ - static_cast<std::uint32_t>(canvas_.width)][lowest]
                : kOutside;
      std::memset(&totals_[plane][MotionGrid::at(0, at)], 0, 4);
    }
  }
}

template <bool kCabac>
void SliceReader<kCabac>::keep_totals() {
  std::uint8_t* to = canvas_.totals[address_].data();
  for (int y = 0; y < 4; ++y, to += 4) std::memcpy(to, &totals_[0][MotionGrid::at(0, y)], 4);
  for (int plane = 1; plane < 3; ++plane)
    for (int y = 0; y < 2; ++y, to += 2) std::memcpy(to, &totals_[plane][MotionGrid::at(0, y)], 2);
}

template <bool kCabac>
template <Block kBlock, bool kSum>
bool SliceReader<kCabac>::residual_cavlc(int x, int y, int plane, const std::uint16_t* scale,
                                         int stride, std::uint64_t& sum, std::int32_t* levels) {
  std::uint8_t& own = totals_[plane][MotionGrid::at(x, y)];
  Token token;
  if constexpr (kBlock == Block::kChromaDc) {
    token = read_chroma_dc_token(bits_);
  } else {
    // nC: the mean of the blocks to the left and above, or the one that there is.
    int predicted = *(&own - 1) + *(&own - MotionGrid::kStride);
    predicted = predicted < kOutside ? (predicted + 1) >> 1 : predicted & (kOutside - 1);
    token = read_token(bits_, predicted);
    if constexpr (kBlock != Block::kLumaDc) own = token.total;
  }
  if (token.total == 0) return token.length != 0;
  const Residual result =
      read_residual<kBlock, kSum>(bits_, token, scale, stride, levels);
  sum += result.sum;
  return !result.damaged;
}

// One block of luma (plane 0) or chroma (1, 2) at x, y in 4x4 blocks; adds to `sum`.
template <bool kCabac>
template <Block kBlock, bool kSum>
bool SliceReader<kCabac>::residual(int x, int y, int plane, const std::uint16_t* scale,
                                   std::uint64_t& sum) {
  if constexpr (kCabac) {
    constexpr int kIndex = static_cast<int>(kBlock);
    std::uint32_t* flags = &current_->coded_chroma;
    int bit;
    int a;
    int b;
    if constexpr (kBlock == Block::kLumaDc || kBlock == Block::kChromaDc) {
      bit = 18 + plane;
      a = static_cast<int>(left_->coded_chroma >> bit & 1);
      b = static_cast<int>(above_->coded_chroma >> bit & 1);
    } else if constexpr (kBlock == Block::kChromaAc) {
      bit = 9 * (plane - 1) + 3 * (y + 1) + x + 1;
      a = static_cast<int>(*flags >> (bit - 1) & 1);
      b = static_cast<int>(*flags >> (bit - 3) & 1);
    } else {
      flags = &current_->coded;
      bit = 5 * (y + 1) + x + 1;
      a = static_cast<int>(*flags >> (bit - 1) & 1);
      b = static_cast<int>(*flags >> (bit - 5) & 1);
    }
    if (!cabac_.decode(contexts_[85 + 4 * kIndex + a + 2 * b])) return true;
    *flags |= 1u << bit;
    const Residual result =
        read_residual<kBlock, kSum>(cabac_, contexts_, scale, tracker_ ? levels_ : nullptr);
    sum += result.sum;
    return !result.damaged;
  } else {
    return residual_cavlc<kBlock, kSum>(x, y, plane, scale, 1, sum, tracker_ ? levels_ : nullptr);
  }
}

// The energy of a transform block of kSize x kSize 4x4 blocks, spread over them. kShift: bits of
// the scale below the point. Rounded up, so that it is 0 only where nothing was coded.
template <bool kCabac>
template <int kSize, int kShift>
void SliceReader<kCabac>::add_energy(int x, int y, std::uint64_t sum) {
  if (tracker_) return;
  constexpr int kBlocks = kSize * kSize;
  const int quantiser = quantiser_ + slice_.sps->quantiser_offset();
  sum <<= quantiser / 6;
  sum = (sum + (std::uint64_t{kBlocks} << kShift) - 1) / (std::uint64_t{kBlocks} << kShift);
  const auto each = static_cast<std::uint32_t>(std::min<std::uint64_t>(sum, 1u << 30));
  std::uint32_t* energy = &picture_.energy[static_cast<std::size_t>(corner_ + y * columns_ + x)];
  for (int row = 0; row < kSize; ++row, energy += columns_)
    for (int column = 0; column < kSize; ++column) energy[column] += each;
}

// Luma of a macroblock in 4x4 blocks. Unrolled: where bins come between, no branch predictor counts
// to four.
template <bool kCabac>
template <Block kBlock>
bool SliceReader<kCabac>::luma_4x4(unsigned pattern, const std::uint16_t* scale) {
  constexpr bool kWhole = kBlock == Block::kLuma4x4;  // with the first coefficient
  for (unsigned left = pattern & 15; left != 0; left &= left - 1) {
    const int block = __builtin_ctz(left);
#pragma GCC unroll 4
    for (int at = 4 * block; at < 4 * block + 4; ++at) {
      const int x = kBlockX[at];
      const int y = kBlockY[at];
      std::uint64_t sum = 0;
      if (!residual<kBlock, true>(x, y, 0, kWhole ? scale : scale + 1, sum)) return false;
      if (sum == 0) continue;
      if (tracker_) add_means_4x4(kWhole ? 4 * y + x : -1, scale);
      add_energy<1, 4>(x, y, sum);
    }
  }
  return true;
}

template <bool kCabac>
bool SliceReader<kCabac>::luma_8x8(unsigned pattern) {
  const int quantiser = quantiser_ + slice_.sps->quantiser_offset();
  const bool intra = (current_->flags & Macroblock::kIntra) != 0;
  const std::uint16_t* const scale = slice_.sps->transform_bypass && quantiser == 0
                                         ? kBypass8x8.data()
                                         : slice_.scales->eight[intra ? 0 : 1][quantiser % 6];
  for (unsigned left = pattern & 15; left != 0; left &= left - 1) {
    const int block = __builtin_ctz(left);
    const int x = 2 * (block & 1);
    const int y = block & 2;
    std::uint64_t sum = 0;
    if constexpr (kCabac) {
      // coded_block_flag is inferred to be 1.
      current_->coded |= 99u << (5 * (y + 1) + x + 1);
      const Residual result = read_residual<Block::kLuma8x8, true>(
          cabac_, contexts_, scale, tracker_ ? levels_ : nullptr);
      if (result.damaged) return false;
      sum = result.sum;
    } else {
      // Four blocks take turns at the coefficients.
      for (int turn = 0; turn < 4; ++turn) {
        if (!residual_cavlc<Block::kLuma8x8, true>(x + (turn & 1), y + (turn >> 1), 0, scale + turn,
                                                   4, sum, tracker_ ? levels_ + turn : nullptr))
          return false;
      }
    }
    if (sum == 0) continue;
    if (tracker_) add_means_8x8(block, scale);
    add_energy<2, 6>(x, y, sum);
  }
  return true;
}

// Of the block's residual, from its levels, which are used up. In 4x4 blocks only the first
// coefficient has a mean. `block` -1: one without it.
template <bool kCabac>
void SliceReader<kCabac>::add_means_4x4(int block, const std::uint16_t* scale) {
  if (block >= 0)
    means_[block] += std::ldexp(static_cast<float>(levels_[0]) * scale[0],
                                (quantiser_ + slice_.sps->quantiser_offset()) / 6 - 10);
  std::fill_n(levels_, 16, 0);
}

// Each quarter of an 8x8 block: of the basis functions along either side the first one and the odd
// ones have means over half of it (8.5.13).
template <bool kCabac>
void SliceReader<kCabac>::add_means_8x8(int block, const std::uint16_t* scale) {
  static constexpr float kHalf[8] = {1, 31 / 32.0f, 0, -11 / 32.0f, 0, 7 / 32.0f, 0, -5 / 32.0f};
  float quarters[2][2] = {};
  for (std::size_t at = 0; at < 64; ++at) {
    if (levels_[at] == 0) continue;
    const int row = kScan8x8[at] / 8, column = kScan8x8[at] % 8;
    const float value =
        static_cast<float>(levels_[at]) * scale[at] * kHalf[row] * kHalf[column];
    levels_[at] = 0;
    for (int y = 0; y < 2; ++y)
      for (int x = 0; x < 2; ++x)
        quarters[y][x] += ((row & y) ^ (column & x)) != 0 ? -value : value;
  }
  float* const to = means_ + 4 * (block & 2) + 2 * (block & 1);
  for (int y = 0; y < 2; ++y)
    for (int x = 0; x < 2; ++x)
      to[4 * y + x] += std::ldexp(quarters[y][x],
                                  (quantiser_ + slice_.sps->quantiser_offset()) / 6 - 12);
}

// The first coefficients of Intra16x16's 4x4 blocks (8.5.10).
template <bool kCabac>
void SliceReader<kCabac>::add_means_16x16(const std::uint16_t* scale) {
  static constexpr std::int8_t kSigns[4][4] = {
      {1, 1, 1, 1}, {1, 1, -1, -1}, {1, -1, -1, 1}, {1, -1, 1, -1}};
  for (std::size_t at = 0; at < 16; ++at) {
    if (levels_[at] == 0) continue;
    const int row = kScan4x4[at] / 4, column = kScan4x4[at] % 4;
    const float value = std::ldexp(static_cast<float>(levels_[at]) * scale[0],
                                   (quantiser_ + slice_.sps->quantiser_offset()) / 6 - 12);
    levels_[at] = 0;
    for (int y = 0; y < 4; ++y)
      for (int x = 0; x < 4; ++x)
        means_[4 * y + x] += value * static_cast<float>(kSigns[row][y] * kSigns[column][x]);
  }
}

// mb_qp_delta and residual(); luma_dc >= 0: Intra16x16.
template <bool kCabac>
bool SliceReader<kCabac>::read_residuals(int luma_dc) {
  const unsigned pattern = current_->pattern;
  if (pattern == 0 && luma_dc < 0) {
    quantiser_changed_ = false;
    if (!kCabac) canvas_.totals[address_].fill(0);
    finish((current_->flags & Macroblock::kIntra) != 0 ? Mode::kIntra : Mode::kInter, quantiser_);
    return true;
  }
  if constexpr (kCabac) {
    // Flags of the neighbours' nearest blocks around this one's.
    current_->coded = (above_->coded >> 20 & 0x1E) | (left_->coded >> 4 & 0x108420);
    current_->coded_chroma =
        (above_->coded_chroma >> 6 & 0x0C06) | (left_->coded_chroma >> 2 & 0x9048);
  } else {
    load_totals();
  }
  if (!read_quantiser()) return false;
  const bool intra = (current_->flags & Macroblock::kIntra) != 0;
  const int quantiser = quantiser_ + slice_.sps->quantiser_offset();
  const std::uint16_t* const scale = slice_.sps->transform_bypass && quantiser == 0
                                         ? kBypass4x4.data()
                                         : slice_.scales->four[intra ? 0 : 1][quantiser % 6];
  std::uint64_t sum = 0;
  if (luma_dc >= 0) {
    std::uint16_t flat[16];
    std::fill_n(flat, 16, scale[0]);
    if (!residual<Block::kLumaDc, true>(0, 0, 0, flat, sum)) return false;
    if (tracker_ && sum > 0) add_means_16x16(scale);
    if (sum > 0) add_energy<4, 4>(0, 0, sum);
  }
  if ((pattern & 15) != 0) {
    const bool read = (current_->flags & Macroblock::kTransform8x8) != 0 ? luma_8x8(pattern)
                      : luma_dc >= 0 ? luma_4x4<Block::kLumaAc>(pattern, scale)
                                     : luma_4x4<Block::kLuma4x4>(pattern, scale);
    if (!read) return false;
  }
  if (pattern >> 4 != 0) {
#pragma GCC unroll 2
    for (int plane = 1; plane < 3; ++plane)
      if (!residual<Block::kChromaDc, false>(0, 0, plane, nullptr, sum)) return false;
  }
  if (pattern >> 4 == 2) {
    for (int plane = 1; plane < 3; ++plane) {
#pragma GCC unroll 4
      for (int at = 0; at < 4; ++at)
        if (!residual<Block::kChromaAc, false>(at & 1, at >> 1, plane, nullptr, sum)) return false;
    }
  }
  if constexpr (!kCabac) keep_totals();
  finish((current_->flags & Macroblock::kIntra) != 0 ? Mode::kIntra : Mode::kInter, quantiser_);
  return true;
}

// For the tracker -----------------------------------------------------------------------------

template <bool kCabac>
void SliceReader<kCabac>::track(Mode mode) {
  if (mode == Mode::kSkip && current_->still && plain_) return;
  if (mode != Mode::kIntra)
    track_inter();
  else if (intra_type_ == 0)
    track_intra_parts();
  else
    track_intra_whole();
}

template <bool kCabac>
void SliceReader<kCabac>::track_inter() {
  const bool coded = (current_->pattern & 15) != 0;
  for (int y = 0; y < 4; ++y) {
    const Motion* motion = picture_.motion.data() + corner_ + y * columns_;
    for (int x = 0; x < 4; ++x, ++motion) {
      const int column = 4 * x_ + x, row = 4 * y_ + y;
      const bool coded_block = coded && means_[4 * y + x] != 0;
      float sum = 0;
      int used = 0;
      bool moving = false;
      for (int list = 0; list < 2; ++list) {
        const int reference = current_->reference[list][(y & 2) + (x >> 1)];
        if (reference < 0) continue;
        const Weight& weight = slice_.header->weights[list][reference];
        const std::int16_t* vector =
            current_->still ? kNoMotion.vector[list] : motion->vector[list];
        moving |= vector[0] != 0 || vector[1] != 0 || !weight.plain();
        sum += tracker_->moved(column, row, vector[0], vector[1]) * weight.scale + weight.offset;
        ++used;
      }
      if ((!moving && !coded_block) || used == 0) continue;
      const float residual = coded ? means_[4 * y + x] : 0;
      tracker_->set(column, row, sum / static_cast<float>(used) + residual);
    }
  }
}

// Intra16x16: prediction from the rows of blocks around, as far as there are any.
template <bool kCabac>
void SliceReader<kCabac>::track_intra_whole() {
  const bool left = left_ != &kOutsideIntra, above = above_ != &kOutsideIntra;
  float rows[4], columns[4], total = 0;
  for (int at = 0; at < 4; ++at) {
    rows[at] = left ? tracker_->right_edge(4 * x_ - 1, 4 * y_ + at) : 0;
    columns[at] = above ? tracker_->lower_edge(4 * x_ + at, 4 * y_ - 1) : 0;
    total += rows[at] + columns[at];
  }
  const float level = left || above ? total / (4.0f * static_cast<float>(left + above)) : 128;
  const int mode = (intra_type_ - 1) & 3;
  // 8.3.3.4
  float slope_x = 0, slope_y = 0, middle = 0;
  if (mode == 3) {
    const int x = 16 * x_, y = 16 * y_;
    for (int at = 1; at <= 8; ++at) {
      const auto weight = static_cast<float>(5 * at) / 2048;
      slope_x += weight * (tracker_->at(x + 7 + at, y - 1) - tracker_->at(x + 7 - at, y - 1));
      slope_y += weight * (tracker_->at(x - 1, y + 7 + at) - tracker_->at(x - 1, y + 7 - at));
    }
    middle = (tracker_->at(x - 1, y + 15) + tracker_->at(x + 15, y - 1)) / 2;
  }
  for (int y = 0; y < 4; ++y) {
    for (int x = 0; x < 4; ++x) {
      float predicted = level;
      if (mode == 0) predicted = columns[x];
      if (mode == 1) predicted = rows[y];
      if (mode == 3)
        predicted = middle + slope_x * (4 * static_cast<float>(x) - 5.5f) +
                    slope_y * (4 * static_cast<float>(y) - 5.5f);
      tracker_->set_intra(4 * x_ + x, 4 * y_ + y, predicted + means_[4 * y + x]);
    }
  }
}

// 8.3.1.1 and 8.3.2.1, where a neighbour that isn't predicted like this counts as DC.
template <bool kCabac>
void SliceReader<kCabac>::derive_intra_modes(const int (&codes)[16], int count) {
  constexpr std::uint8_t kDc = 2;
  const auto stored = [this](const Macroblock* macroblock, std::uint32_t address) {
    constexpr std::array<std::uint8_t, 8> kNone = {kDc, kDc, kDc, kDc, kDc, kDc, kDc, kDc};
    const bool has = macroblock != &kOutsideIntra && (macroblock->flags & Macroblock::kIntraNxN);
    return has ? canvas_.intra_modes[address] : kNone;
  };
  const auto left = stored(left_, address_ - 1);
  const auto above = stored(above_, address_ - static_cast<std::uint32_t>(canvas_.width));
  const int size = count == 4 ? 2 : 1;
  for (int at = 0; at < 16; at += size * size) {
    const int x = kBlockX[at], y = kBlockY[at];
    // Without a macroblock to one side both count as DC.
    const bool inside = (x > 0 || left_ != &kOutsideIntra) && (y > 0 || above_ != &kOutsideIntra);
    const auto a = x > 0 ? modes_[4 * y + x - 1] : left[static_cast<std::size_t>(y)];
    const auto b = y > 0 ? modes_[4 * y + x - 4] : above[static_cast<std::size_t>(4 + x)];
    const int predicted = inside ? std::min(a, b) : kDc;
    const int code = codes[at / (size * size)];
    const int mode = code < 0 ? predicted : code < predicted ? code : code + 1;
    for (int row = y; row < y + size; ++row)
      std::fill_n(modes_ + 4 * row + x, size, static_cast<std::uint8_t>(mode));
  }
  auto& kept = canvas_.intra_modes[address_];
  for (std::size_t side = 0; side < 4; ++side) {
    kept[side] = modes_[4 * side + 3];
    kept[4 + side] = modes_[12 + side];
  }
}

// A sample of a block predicted along a direction (8.3.1.2, 8.3.2.2). `border` is the corner; the
// samples above follow it, those to the left go before it, downwards.
template <bool kCabac>
float SliceReader<kCabac>::predict_direction(int mode, int x, int y, const float* border) const {
  float at = 0;  // along the border
  switch (mode) {
    case 0: at = static_cast<float>(x + 1); break;                         // vertical
    case 1: at = -static_cast<float>(y + 1); break;                        // horizontal
    case 3: at = static_cast<float>(x + y + 2); break;                     // down left
    case 4: at = static_cast<float>(x - y); break;                         // down right
    case 5: at = static_cast<float>(2 * x - y + 1) / 2; break;             // vertical right
    case 6: at = -static_cast<float>(2 * y - x + 1) / 2; break;            // horizontal down
    case 7: at = static_cast<float>(2 * x + y + 3) / 2; break;             // vertical left
    default: at = -static_cast<float>(2 * y + x + 3) / 2; break;           // horizontal up
  }
  const float floor = std::floor(at);
  const auto first = static_cast<std::ptrdiff_t>(floor);
  if (at != floor) return (border[first] + border[first + 1]) / 2;
  if (mode < 2) return border[first];
  return (border[first - 1] + 2 * border[first] + border[first + 1]) / 4;
}

template <bool kCabac>
void SliceReader<kCabac>::track_intra_parts() {
  const int size = (current_->flags & Macroblock::kTransform8x8) != 0 ? 2 : 1;
  const int length = 4 * size;
  for (int block = 0; block < 16; block += size * size) {
    const int x = kBlockX[block], y = kBlockY[block];
    const int left_x = 16 * x_ + 4 * x, top_y = 16 * y_ + 4 * y;
    const bool left = x > 0 || left_ != &kOutsideIntra;
    const bool above = y > 0 || above_ != &kOutsideIntra;
    // What is above to the right has been decoded or is like the last sample above.
    const bool right = y == 0 ? above && (x + size < 4 || above_right_ != &kOutsideInter)
                              : x + size < 4 && (size == 2 || (block & 3) != 3) &&
                                    (size == 1 || block == 8);
    // Twice the length to either side, and one more for interpolation.
    float samples[36];
    float* const border = samples + 17;
    float total = 0;
    border[0] = tracker_->at(left_x - 1, top_y - 1);
    for (int at = 0; at <= 2 * length; ++at) {
      const int down = std::min(at, length - 1);
      border[-1 - at] = tracker_->at(left_x - 1, top_y + down);
      const int across = right ? std::min(at, 2 * length - 1) : down;
      border[1 + at] = tracker_->at(left_x + across, top_y - 1);
      if (at < length) total += (left ? border[-1 - at] : 0) + (above ? border[1 + at] : 0);
    }
    const float level =
        left || above ? total / static_cast<float>(length * (left + above)) : 128;
    if (size == 2) {  // what 8x8 blocks are predicted from is smoothed
      float before = samples[0];
      for (int at = 1; at < 34; ++at) {
        const float smooth = (before + 2 * samples[at] + samples[at + 1]) / 4;
        before = samples[at];
        samples[at] = smooth;
      }
    }
    const int mode = modes_[4 * y + x];
    for (int row = 0; row < size; ++row) {
      for (int column = 0; column < size; ++column) {
        float mean = level;
        if (mode != 2) {
          float sum = 0;
          for (int at = 0; at < 16; ++at)
            sum += predict_direction(mode, 4 * column + (at & 3), 4 * row + (at >> 2), border);
          mean = sum / 16;
        }
        tracker_->set_intra(4 * x_ + x + column, 4 * y_ + y + row,
                            mean + means_[4 * (y + row) + x + column]);
      }
    }
  }
}

}  // namespace

void Canvas::resize(const Sps& sps) {
  width = sps.width;
  height = sps.height;
  const auto columns = static_cast<std::size_t>(width);
  const auto rows = static_cast<std::size_t>(height);
  macroblocks.assign((columns + 1) * (rows + 1) + 1, Macroblock());
  totals.resize(columns * rows);
  differences.resize(columns);
  intra_modes.resize(columns * rows);
}

void Canvas::begin(Picture& target) {
  picture = &target;
  first = slice + 1;
  covered = 0;
  filled = false;
}

void Canvas::fill(const Motion& motion, Mode mode) {
  const auto count = static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
  picture->common_motion = motion;
  picture->common_mode = mode;
  picture->left_out.assign(count, 1);
  picture->left_out_quantiser.assign(count, 0);
  picture->motion.resize(16 * count);
  filled = true;
  if (tracker) return;
  picture->mode.resize(16 * count);
  picture->quantiser.resize(16 * count);
  picture->energy.resize(16 * count);
}

bool Canvas::end() {
  if (!filled) {
    if (!tracker) fill(kNoMotion, Mode::kNotCoded);
    return false;
  }
  if (covered == static_cast<std::uint32_t>(width * height)) return true;
  bool complete = true;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      if (macroblocks[at(x, y)].slice >= first) continue;
      complete = false;
      if (tracker) {
        tracker->fail();
        return false;
      }
      picture->left_out[static_cast<std::size_t>(y * width + x)] = 0;
      picture->fill(static_cast<std::size_t>(x), static_cast<std::size_t>(y), kNoMotion,
                    Mode::kNotCoded, 0);
    }
  }
  return complete;
}

Scales::Scales(const ScalingLists& lists) {
  for (std::size_t inter = 0; inter < 2; ++inter) {
    for (int rest = 0; rest < 6; ++rest) {
      for (std::size_t at = 0; at < 16; ++at) {
        const int row = kScan4x4[at] / 4;
        const int column = kScan4x4[at] % 4;
        const int norm = row % 2 == 0 && column % 2 == 0   ? 0
                         : row % 2 == 1 && column % 2 == 1 ? 1
                                                           : 2;
        four[inter][rest][at] =
            static_cast<std::uint16_t>(lists.four[3 * inter][at] * kNorm4x4[rest][norm]);
      }
      for (std::size_t at = 0; at < 64; ++at) {
        const int row = kScan8x8[at] / 8;
        const int column = kScan8x8[at] % 8;
        int norm = 5;
        if (row % 4 == 0 && column % 4 == 0)
          norm = 0;
        else if (row % 2 == 1 && column % 2 == 1)
          norm = 1;
        else if (row % 4 == 2 && column % 4 == 2)
          norm = 2;
        else if ((row % 4 == 0 && column % 2 == 1) || (row % 2 == 1 && column % 4 == 0))
          norm = 3;
        else if ((row % 4 == 0 && column % 4 == 2) || (row % 4 == 2 && column % 4 == 0))
          norm = 4;
        eight[inter][rest][at] =
            static_cast<std::uint16_t>(lists.eight[inter][at] * kNorm8x8[rest][norm]);
      }
    }
  }
}

bool read_slice(const Slice& slice, Canvas& canvas) {
  return slice.pps->cabac ? SliceReader<true>(slice, canvas).read()
                          : SliceReader<false>(slice, canvas).read();
}

}  // namespace costream::h264
