// Feeds a fuzzer's input to the H.265 reader as an Annex B stream: as one packet, and, after a
// seek, as a packet for each NAL unit. It is then tracked likewise.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../h265/reader.h"
#include "track.h"

namespace {

void check(const std::vector<costream::Picture>& pictures) {
  for (const costream::Picture& picture : pictures) {
    const auto blocks =
        static_cast<std::size_t>(picture.columns) * static_cast<std::size_t>(picture.rows);
    if (picture.mode.size() != blocks || picture.motion.size() != blocks) __builtin_trap();
    const auto references = static_cast<int>(picture.references.size());
    for (std::size_t i = 0; i < blocks; ++i)
      for (const std::int8_t reference : picture.motion[i].reference)
        if (reference < -1 || reference >= references) __builtin_trap();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  costream::H265Reader reader;
  reader.configure(data, size);
  const auto units = costream::fuzz::units(data, size);
  const std::vector<costream::Picture> pictures = reader.read(data, size, 0);
  check(pictures);
  reader.reset();
  std::int64_t number = 0;
  for (const auto& [unit, length] : units) check(reader.read(unit, length, ++number));
  costream::fuzz::Tracked tracked(pictures.empty() ? 0 : pictures[0].width,
                                  pictures.empty() ? 0 : pictures[0].height);
  tracked.track(reader, data, size);
  for (const auto& [unit, length] : units) tracked.track(reader, unit, length);
  check(reader.read(data, size, ++number));
  return 0;
}
