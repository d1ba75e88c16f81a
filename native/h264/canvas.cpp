#include "canvas.h"

namespace costream::h264 {

void Canvas::resize(const Sps& sps) {
  width = sps.width;
  height = sps.height;
  const auto columns = static_cast<std::size_t>(width);
  const auto rows = static_cast<std::size_t>(height);
  macroblocks.assign((columns + 1) * (rows + 1) + 1, Macroblock());
  is_coded.resize(columns * rows);
  totals.resize(columns * rows);
  mvds.resize(columns);
  intra_modes.resize(columns * rows);
}

void Canvas::begin(Picture& target) {
  picture = &target;
  first = slice + 1;
  covered = reached = 0;
  filled = false;
}

void Canvas::fill(const Motion& motion, Mode mode) {
  const auto count = static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
  picture->common_motion = motion;
  picture->common_mode = mode;
  picture->left_out.assign(count, 1);
  picture->left_out_qp.assign(count, 0);
  picture->motion.resize(16 * count);
  filled = true;
  if (tracker) return;
  picture->mode.resize(16 * count);
  picture->qp.resize(16 * count);
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

}  // namespace costream::h264
