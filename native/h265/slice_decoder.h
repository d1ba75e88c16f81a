// Reads slice segment data (ITU-T H.265, 7.3.8): the coding quadtree down to the coefficients,
// with the motion vectors derived (8.5.3.2), and nothing reconstructed.
#pragma once

#include <cstdint>
#include <vector>

#include "../common/cabac.h"
#include "../common/picture.h"
#include "../common/tracker.h"
#include "contexts.h"
#include "parameter_sets.h"
#include "references.h"
#include "slice_header.h"

namespace costream::h265 {

// IntraPredModeY (table 8-1): directions go from 2 by way of horizontal and, from 18 on, vertical.
constexpr std::uint8_t kPlanar = 0;
constexpr std::uint8_t kDc = 1;
constexpr std::uint8_t kHorizontalMode = 10;
constexpr std::uint8_t kFirstVerticalMode = 18;
constexpr std::uint8_t kVerticalMode = 26;

// Its methods are in slice_decoder.cpp (slices and the coding tree), motion.cpp, residual.cpp and
// tracking.cpp.
class SliceDecoder {
 public:
  // Begins a picture, whose arrays are made here. The arguments live until finish(). With a tracker
  // blocks are reported to it, and the picture's energy is left out.
  void start(const SequenceParameters& sps, const PictureParameters& pps, const TileLayout& tiles,
             std::int32_t poc, Picture& picture, Tracker* tracker);

  // Reads one slice segment. True where it ended exactly at its end.
  bool decode(const SliceHeader& slice, const ReferenceLists& lists, const std::uint8_t* data,
              std::size_t size);

  // Ends the picture: what was not coded is marked so, and `frame` gets what later pictures need.
  void finish(Frame* frame);

 private:
  enum class PartMode : std::uint8_t { k2Nx2N, k2NxN, kNx2N, kNxN, k2NxnU, k2NxnD, knLx2N, knRx2N };
  struct CodingUnit {
    int x, y, log2, depth;
    bool intra;
    bool transquant_bypass;
    bool split_intra;  // IntraSplitFlag
    bool split_inter;  // interSplitFlag
    int max_depth;     // MaxTrafoDepth
    std::uint8_t luma_mode[4];
    std::uint8_t chroma_mode;
  };
  struct PredictionBlock {
    int x, y, width, height, part;
    PartMode mode;
  };
  struct TransformBlock {
    int x, y, log2, depth, part;
  };
  struct Vector {
    std::int16_t x, y;
  };

  // Slices.
  void name_references(const ReferenceLists& lists);
  void resolve_aliases();
  bool blocks();
  void enter_block(std::int32_t address);
  bool enter_substream(std::int32_t scan);
  bool restart(std::size_t skipped_bits);
  bool ends_exactly() const;

  // The coding tree. What returns a bool gives false where the data is damaged.
  bool bin(int context) { return cabac_.decode(states_[static_cast<std::size_t>(context)]); }
  void sample_offsets(std::int32_t address);
  bool quadtree(int x, int y, int log2, int depth);
  void predict_qp();
  bool coding_unit(int x, int y, int log2, int depth);
  bool pcm_samples(int log2);
  void intra_modes(CodingUnit& cu);
  bool transform_tree(const CodingUnit& cu, const TransformBlock& block, bool parent_cb,
                      bool parent_cr);
  bool cu_qp_delta();

  // Coefficients (residual.cpp).
  template <bool kLuma>
  std::uint32_t residual(const CodingUnit& cu, int log2, int scan, float* means);
  void add_means(const CodingUnit& cu, int log2, int scan, int block, const std::uint8_t* rank,
                 const std::uint32_t* levels, std::uint32_t negative, int count,
                 std::uint64_t scale, int shift, bool skipped, float* means) const;
  std::uint32_t weighted_levels(const CodingUnit& cu, int log2, int scan, int block,
                                const std::uint8_t* rank, const std::uint32_t* levels, int count,
                                std::uint64_t scale, int shift) const;

  // Motion (motion.cpp).
  PartMode part_mode(int log2);
  bool prediction_units(const CodingUnit& cu, PartMode mode);
  bool prediction_unit(const CodingUnit& cu, const PredictionBlock& pb, bool skip);
  int reference_index(int list);
  Vector difference();
  bool decoded(int x4, int y4) const;
  const Motion* candidate(int x, int y) const;
  static bool later_part(const CodingUnit& cu, const PredictionBlock& pb, int x, int y);
  Motion merge(const CodingUnit& cu, const PredictionBlock& block, int index) const;
  Vector predict_vector(const CodingUnit& cu, const PredictionBlock& pb, int list, int reference,
                        bool second) const;
  bool temporal(const PredictionBlock& pb, int list, int reference, Vector& out) const;
  bool temporal_at(int x, int y, int list, int reference, Vector& out) const;
  void fill_motion(int x, int y, int width, int height, const Motion& motion);
  void outline_motion(int x, int y, int size, const Motion& motion);
  StoredMotion stored_motion(const Motion& motion) const;

  // For the tracker (tracking.cpp).
  void track_bands(std::int32_t address);
  bool stands(const Motion& motion) const;
  void track_inter(const CodingUnit& cu);
  void track_intra(const CodingUnit& cu, const TransformBlock& block, int mode);

  // The picture.
  const SequenceParameters* sps_ = nullptr;
  const PictureParameters* pps_ = nullptr;
  const TileLayout* tiles_ = nullptr;
  Picture* picture_ = nullptr;
  std::int32_t poc_ = 0;
  int columns_ = 0, rows_ = 0;  // in 4x4 blocks
  Motion* motion_ = nullptr;
  Mode* mode_ = nullptr;
  std::int8_t* qp_plane_ = nullptr;
  std::uint32_t* energy_ = nullptr;
  std::vector<std::int32_t> slice_address_;  // of each coding tree block; -1: not coded
  bool complete_ = true;                     // no slice segment was damaged

  Tracker* tracker_ = nullptr;
  // Of the coding unit's residual, mean of each 4x4 block: kMeans to a row.
  static constexpr int kMeans = 16;
  float means_[kMeans * kMeans] = {};

  // References by what Motion::reference holds: an index into Picture::references, or, for an
  // entry that a list has twice, an alias of it that lives until the slice ends. Candidates are
  // told apart by their reference indices, not by the pictures.
  static constexpr int kAlias = 64;
  Reference reference_[kAlias + 32];
  std::int8_t alias_of_[32];
  bool aliases_ = false;
  std::int8_t id_[2][16];
  Weight weight_[2][kAlias + 32];  // for the tracker, of the slice's

  // The slice.
  const SliceHeader* slice_ = nullptr;
  const Frame* collocated_ = nullptr;
  bool no_backward_ = false;  // NoBackwardPredFlag: no reference follows in order
  bool flat_ = true;          // no scaling lists
  const ScalingLists* scaling_ = nullptr;
  Cabac cabac_;
  const std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
  ContextStates states_{};
  ContextStates saved_slice_{}, saved_row_{};  // TableStateIdxDs, TableStateIdxWpp
  bool saved_slice_valid_ = false;

  // The coding tree block.
  int block_x_ = 0, block_y_ = 0;                                        // its corner, luma samples
  bool left_ = false, up_ = false, up_left_ = false, up_right_ = false;  // blocks available
  // Along the left and upper edge of what comes next: by 8 samples the depth in the quadtree and
  // the skip flag, by 4 samples the intra mode.
  std::uint8_t left_depth_[8] = {}, left_skip_[8] = {}, left_intra_[16] = {}, up_intra_[16] = {};
  std::vector<std::uint8_t> up_depth_, up_skip_;

  // QPs.
  int qp_ = 0;            // QpY of the current coding unit, or of the last one
  int predicted_qp_ = 0;  // qPY_PRED
  int group_x_ = 0, group_y_ = 0;
  bool group_starts_ = false;  // its prediction is to be derived
  bool qp_coded_ = false;      // IsCuQpDeltaCoded

  int sao_type_ = 0;
  // For the tracker, sample adaptive offsets of luma by bands, by coding tree block; `first` -1:
  // none.
  struct BandOffsets {
    int first = -1;
    int offsets[4] = {};
  };
  std::vector<BandOffsets> bands_;
};

}  // namespace costream::h265
