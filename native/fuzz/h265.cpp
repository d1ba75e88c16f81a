// Feeds a fuzzer's input to the H.265 reader as an Annex B stream: as one packet, and, after a
// seek, as a packet for each NAL unit.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../h265/nal.h"
#include "../h265/reader.h"

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
  check(reader.read(data, size, 0));
  reader.reset();
  std::int64_t number = 0;
  costream::h265::for_each_annex_b(data, size, [&](const std::uint8_t* nal, std::size_t bytes) {
    check(reader.read(nal - 3, bytes + 3, ++number));
  });
  return 0;
}
