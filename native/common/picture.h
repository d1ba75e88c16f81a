// What a reader tells of one coded picture.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace costream {

// How a 4x4 block was coded.
enum class Mode : std::uint8_t {
  kNotCoded = 0,  // no slice that could be read covers it
  kSkip = 1,      // predicted from other pictures, without a vector difference or residual
  kInter = 2,     // predicted from other pictures
  kIntra = 3,     // predicted from its own picture, or PCM
};

// The motion of a 4x4 block. Vectors point from the block to what it is predicted from, in
// quarters of a luma sample, {x, y}; they mean nothing where the reference is -1.
struct Motion {
  std::int16_t vector[2][2];  // by list
  std::int8_t reference[2];   // index into Picture::references of the block's slice's list; -1
};

struct Picture {
  std::string type;       // "I", "P" or "B": the most general of its slices
  std::int64_t packet;    // number of the packet that it came in, counted by the caller
  std::int32_t order;     // picture order count
  bool key = false;       // a decoder can start here (IDR, or BLA and CRA)
  bool field = false;     // one field of an interlaced frame
  bool reference = false; // other pictures may be predicted from it
  std::uint32_t bits = 0; // of its slices

  // The cropped luma picture, and the coded one's size in 4x4 blocks.
  int width = 0, height = 0;
  int crop_left = 0, crop_top = 0;  // luma samples
  int columns = 0, rows = 0;

  // One entry for each 4x4 block, row by row.
  std::vector<Motion> motion;
  std::vector<Mode> mode;
  std::vector<std::int8_t> quantiser;  // luma QP; of Main 10, below 0 where it is
  std::vector<std::uint32_t> energy;   // sum of |dequantised luma coefficient|, of the transform
                                       // block spread evenly, rounded up: 0 means none was coded
  // Picture order counts that Motion::reference points to: all lists of all slices, one after
  // the other without doubles. Long-term references are in it like others.
  std::vector<std::int32_t> references;

  int slices = 0;             // read to their very end
  std::vector<std::string> unsupported;  // what the others needed, or "damaged"
};

}  // namespace costream
