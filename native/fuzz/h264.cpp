// libFuzzer's entry of the H.264 reader: the input is a stream in Annex B's form. A first byte of 1
// makes it an avcC record instead, as far as that goes, and a length-prefixed packet behind it.
// What was read is then tracked by the same reader.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <utility>
#include <vector>

#include "../common/summary.h"
#include "../h264/reader.h"
#include "track.h"

namespace {

// Macroblocks left out of the planes have to be summed up as if they weren't.
void check_summaries(costream::Picture& picture) {
  constexpr int kBlocks[] = {4, 8, 16};
  std::vector<costream::Summary> summaries;
  for (const int block : kBlocks) summaries.push_back(costream::summarise(picture, 2, block));
  picture.complete();
  picture.left_out.clear();
  for (std::size_t size = 0; size < summaries.size(); ++size) {
    const costream::Summary& before = summaries[size];
    const costream::Summary after = costream::summarise(picture, 2, kBlocks[size]);
    if (before.x != after.x || before.y != after.y || before.peak != after.peak ||
        before.state != after.state || before.energy != after.energy)
      std::abort();
    for (std::size_t at = 0; at < after.qp.size(); ++at)
      if (std::abs(before.qp[at] - after.qp[at]) > 1e-3f) std::abort();
  }
}

// What is told has to be consistent, whatever came in.
void check(costream::Picture& picture) {
  check_summaries(picture);
  const auto blocks =
      static_cast<std::size_t>(picture.columns) * static_cast<std::size_t>(picture.rows);
  if (picture.motion.size() != blocks || picture.mode.size() != blocks ||
      picture.qp.size() != blocks || picture.energy.size() != blocks)
    std::abort();
  const auto references = static_cast<int>(picture.references.size());
  for (std::size_t block = 0; block < blocks; ++block) {
    for (const int reference : picture.motion[block].reference)
      if (reference < -1 || reference >= references) std::abort();
    const costream::Mode mode = picture.mode[block];
    const bool predicted =
        picture.motion[block].reference[0] >= 0 || picture.motion[block].reference[1] >= 0;
    if (predicted != (mode == costream::Mode::kSkip || mode == costream::Mode::kInter))
      std::abort();
    if (mode == costream::Mode::kSkip && picture.energy[block] != 0) std::abort();
    if (mode == costream::Mode::kNotCoded && picture.energy[block] != 0) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  costream::H264Reader reader;
  std::size_t configured = 0;
  if (size > 0 && data[0] == 1) configured = size < 64 ? size : 64;
  reader.configure(data, configured);
  // In two packets, so that pictures refer across them.
  const std::size_t middle = configured + (size - configured) / 2;
  std::pair<int, int> extent(0, 0);
  for (auto& picture : reader.read(data + configured, middle - configured, 0)) {
    check(picture);
    extent = {picture.width, picture.height};
  }
  for (auto& picture : reader.read(data + middle, size - middle, 1)) check(picture);
  // Whole packets, in which slices make up pictures, then units, of which more are predicted ones.
  costream::fuzz::Tracked tracked(extent.first, extent.second);
  tracked.track(reader, data + configured, middle - configured);
  tracked.track(reader, data + middle, size - middle);
  for (const auto& [unit, length] : costream::fuzz::units(data + configured, size - configured))
    tracked.track(reader, unit, length);
  for (auto& picture : reader.read(data + middle, size - middle, 2)) check(picture);
  return 0;
}
