// The Python module costream._pixels.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "cutter.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using costream::pixels::Cutter;

using Picture = nb::ndarray<const std::uint8_t, nb::shape<-1, -1, 3>, nb::device::cpu>;
using Mask = nb::ndarray<const bool, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Values = nb::ndarray<std::uint8_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

// More than any frame has; offsets in rows of it fit 32 bits.
constexpr int kLargest = 1 << 20;

void check_size(std::int64_t value) {
  if (value < 1 || value > kLargest) throw nb::value_error("sizes are of 1 to 1048576 samples");
}

void check(const Cutter& cutter, const Picture& frame, const Mask& groups) {
  if (static_cast<int>(frame.shape(0)) != cutter.in_height() ||
      static_cast<int>(frame.shape(1)) != cutter.in_width()) {
    throw nb::value_error("the frame has another size than the cutter was made for");
  }
  if (groups.shape(0) * cutter.side() > static_cast<std::size_t>(cutter.out_height()) ||
      groups.shape(1) * cutter.side() > static_cast<std::size_t>(cutter.out_width())) {
    throw nb::value_error("the groups reach beyond the resized frame");
  }
}

// Returns how many times the patches hold.
int times_of(const Cutter& cutter, const Mask& groups, const Values& patches, int time) {
  const auto kept = std::count(groups.data(), groups.data() + groups.size(), true);
  const std::size_t times = patches.shape(1) / cutter.patch_values();
  if (patches.shape(0) != kept * cutter.patches_a_group() ||
      patches.shape(1) != times * cutter.patch_values() || time < 0 ||
      static_cast<std::size_t>(time) >= times) {
    throw nb::value_error("the patches are not [kept patches, 3 x times x patch x patch]");
  }
  return static_cast<int>(times);
}

void cut(const Cutter& cutter, const Picture& frame, const Mask& groups, const Values& patches,
         int time) {
  check(cutter, frame, groups);
  const int times = times_of(cutter, groups, patches, time);
  const nb::gil_scoped_release release;
  cutter.cut({frame.data(), frame.stride(0), frame.stride(1), frame.stride(2)},
             {groups.data(), static_cast<int>(groups.shape(0)), static_cast<int>(groups.shape(1))},
             {patches.data(), times, time});
}

}  // namespace

NB_MODULE(_pixels, module) {
  // Cutters are cached until the process ends, which is after nanobind looks for leaks.
  nb::set_leak_warnings(false);
  module.doc() = "Kept patches of frames, resized as published preprocessing resizes whole ones.";
  nb::class_<Cutter>(module, "Cutter", "Resizes and cuts frames of one size. Threads may share it.")
      .def(
          "__init__",
          [](Cutter* self, int in_width, int in_height, int out_width, int out_height, int patch,
             int merge, bool portable) {
            for (int size : {in_width, in_height, out_width, out_height, patch, merge}) {
              check_size(size);
            }
            check_size(static_cast<std::int64_t>(patch) * merge);
            new (self)
                Cutter(in_width, in_height, out_width, out_height, patch, merge, portable);
          },
          "in_width"_a, "in_height"_a, "out_width"_a, "out_height"_a, "patch"_a, "merge"_a,
          "portable"_a = false)
      .def("cut", &cut, "frame"_a, "groups"_a, "patches"_a.noconvert(), "time"_a,
           "Write the kept groups of a frame into patches, at one of their times.")
      .def_prop_ro("portable", &Cutter::portable,
                   "Whether it does without the machine's vector instructions.");
}
