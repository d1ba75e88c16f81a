// What is known of a macroblock: its type (ITU-T H.264, 7.4.5), and what its neighbours ask of it.
#pragma once

#include <cstdint>

namespace costream::h264 {

// ref_idx of a block that isn't predicted from a list (refIdxLX of 8.4.1.3.2), and of one that is
// outside of the slice or not decoded yet.
constexpr int kUnused = -1;
constexpr int kUnavailable = -2;

// Where a word has the coded_block_flag of each of a macroblock's blocks: rows of blocks, each
// behind that of its neighbour to the left, below the row of the neighbours above.
namespace coded {

constexpr int kLumaStride = 5, kChromaStride = 3, kChromaPlane = 9;

// Of the 4x4 luma block at x, y, in Macroblock::coded.
constexpr int luma(int x, int y) { return kLumaStride * (y + 1) + x + 1; }
// Of the 4x4 AC block at x, y of Cb (plane 1) or Cr (2), in Macroblock::coded_chroma.
constexpr int chroma(int plane, int x, int y) {
  return kChromaPlane * (plane - 1) + kChromaStride * (y + 1) + x + 1;
}
// Of the DC block of luma (plane 0), Cb or Cr, in Macroblock::coded_chroma.
constexpr int dc(int plane) { return 2 * kChromaPlane + plane; }

// The places of the neighbours' flags around a macroblock's own.
constexpr std::uint32_t luma_above() {
  std::uint32_t bits = 0;
  for (int x = 0; x < 4; ++x) bits |= 1u << luma(x, -1);
  return bits;
}
constexpr std::uint32_t luma_left() {
  std::uint32_t bits = 0;
  for (int y = 0; y < 4; ++y) bits |= 1u << luma(-1, y);
  return bits;
}
constexpr std::uint32_t chroma_above() {
  std::uint32_t bits = 0;
  for (int plane = 1; plane < 3; ++plane)
    for (int x = 0; x < 2; ++x) bits |= 1u << chroma(plane, x, -1);
  return bits;
}
constexpr std::uint32_t chroma_left() {
  std::uint32_t bits = 0;
  for (int plane = 1; plane < 3; ++plane)
    for (int y = 0; y < 2; ++y) bits |= 1u << chroma(plane, -1, y);
  return bits;
}

// The flags of four luma blocks from that at x, y on, to be moved to `luma(x, y)`.
inline constexpr std::uint32_t kLuma8x8 = 3u | 3u << kLumaStride;

// Flags of luma and of chroma AC as a macroblock begins: those of the neighbours' nearest blocks.
constexpr std::uint32_t luma_around(std::uint32_t left, std::uint32_t above) {
  return (above >> (luma(0, 3) - luma(0, -1)) & luma_above()) |
         (left >> (luma(3, 0) - luma(-1, 0)) & luma_left());
}
constexpr std::uint32_t chroma_around(std::uint32_t left, std::uint32_t above) {
  return (above >> (chroma(1, 0, 1) - chroma(1, 0, -1)) & chroma_above()) |
         (left >> (chroma(1, 1, 0) - chroma(1, -1, 0)) & chroma_left());
}

}  // namespace coded

struct Macroblock {
  // Flags as context derivation asks for them (9.3.3.1.1).
  static constexpr std::uint8_t kIntra = 1;
  static constexpr std::uint8_t kIntraNxN = 2;
  static constexpr std::uint8_t kSkip = 8;
  static constexpr std::uint8_t kDirect = 16;  // B_Skip or B_Direct_16x16
  static constexpr std::uint8_t kTransform8x8 = 32;
  static constexpr std::uint8_t kChromaMode = 64;   // intra_chroma_pred_mode != 0
  static constexpr std::uint8_t kDifference = 128;  // has vector differences

  std::uint32_t slice = 0;         // number of its slice, never 0
  std::uint32_t coded = 0;         // coded_block_flag of luma blocks
  std::uint32_t coded_chroma = 0;  // of chroma, and of luma DC
  std::uint8_t flags = 0;
  std::uint8_t pattern = 0;             // CodedBlockPatternLuma, and Chroma from bit 4
  std::uint8_t positive_reference = 0;  // bit 4 * list + block: ref_idx > 0, not by direct mode
  // Stands still: predicted by ref_idx 0 and zero vectors, from both lists in a B slice.
  bool still = false;
  std::int8_t reference[2][4] = {};  // ref_idx of its 8x8 blocks, kUnused, or kUnavailable
};

// Stand-ins for a neighbour outside of the slice, with what each context takes it for; as an intra
// macroblock sees it, and as others do.
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
inline constexpr Macroblock kOutsideInter = make_outside(false);
inline constexpr Macroblock kOutsideIntra = make_outside(true);

// mb_type of intra macroblocks, as in I slices (table 7-11). Between these Intra16x16 has one for
// each of its kinds.
constexpr int kIntraNxN = 0;
constexpr int kIntraPcm = 25;

// What mb_type of an Intra16x16 macroblock holds besides.
constexpr int intra_16x16_mode(int type) { return (type - 1) & 3; }  // Intra16x16PredMode
constexpr std::uint8_t intra_16x16_pattern(int type) {
  return static_cast<std::uint8_t>((type >= 13 ? 15 : 0) | (type - 1) / 4 % 3 << 4);
}

// Partitions of P and B macroblock types, and the lists that each predicts from (bit 0: list 0).
enum class Shape : std::uint8_t { k16x16, k16x8, k8x16, k8x8 };
struct MacroblockType {
  Shape shape;
  std::uint8_t lists[2];
};
// Table 7-13.
inline constexpr MacroblockType kTypesP[5] = {{Shape::k16x16, {1, 0}},
                                              {Shape::k16x8, {1, 1}},
                                              {Shape::k8x16, {1, 1}},
                                              {Shape::k8x8, {0, 0}},
                                              {Shape::k8x8, {0, 0}}};
constexpr int kP8x8Ref0 = 4;  // P_8x8ref0: no ref_idx is coded
// Table 7-14, from mb_type 1.
inline constexpr MacroblockType kTypesB[22] = {
    {Shape::k16x16, {1, 0}}, {Shape::k16x16, {2, 0}}, {Shape::k16x16, {3, 0}},
    {Shape::k16x8, {1, 1}},  {Shape::k8x16, {1, 1}},  {Shape::k16x8, {2, 2}},
    {Shape::k8x16, {2, 2}},  {Shape::k16x8, {1, 2}},  {Shape::k8x16, {1, 2}},
    {Shape::k16x8, {2, 1}},  {Shape::k8x16, {2, 1}},  {Shape::k16x8, {1, 3}},
    {Shape::k8x16, {1, 3}},  {Shape::k16x8, {2, 3}},  {Shape::k8x16, {2, 3}},
    {Shape::k16x8, {3, 1}},  {Shape::k8x16, {3, 1}},  {Shape::k16x8, {3, 2}},
    {Shape::k8x16, {3, 2}},  {Shape::k16x8, {3, 3}},  {Shape::k8x16, {3, 3}},
    {Shape::k8x8, {0, 0}}};
constexpr int kBDirect16x16 = 0;
// mb_type of an intra macroblock follows those.
constexpr int kIntraFromP = 5;
constexpr int kIntraFromB = 23;

// Sub-macroblock types: size of their partitions in 4x4 blocks, lists (0: direct).
struct SubType {
  std::uint8_t width, height, lists;
};
// Tables 7-17 and 7-18.
inline constexpr SubType kSubTypesP[4] = {{2, 2, 1}, {2, 1, 1}, {1, 2, 1}, {1, 1, 1}};
inline constexpr SubType kSubTypesB[13] = {{1, 1, 0}, {2, 2, 1}, {2, 2, 2}, {2, 2, 3}, {2, 1, 1},
                                           {1, 2, 1}, {2, 1, 2}, {1, 2, 2}, {2, 1, 3}, {1, 2, 3},
                                           {1, 1, 1}, {1, 1, 2}, {1, 1, 3}};

// 4x4 luma blocks in coding order (6.4.3): x and y.
inline constexpr std::uint8_t kBlockX[16] = {0, 1, 0, 1, 2, 3, 2, 3, 0, 1, 0, 1, 2, 3, 2, 3};
inline constexpr std::uint8_t kBlockY[16] = {0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 3, 3, 2, 2, 3, 3};

// Rows of values of a macroblock's 4x4 blocks, with a row of its neighbours above and a column of
// those to the left.
namespace block_grid {
constexpr int kStride = 8;
constexpr int kSize = 5 * kStride;
constexpr int at(int x, int y) { return (y + 1) * kStride + x + 1; }
}  // namespace block_grid

}  // namespace costream::h264
