// The Python module costream._bitstream.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "common/picture.h"
#include "common/summary.h"
#include "common/tracker.h"
#include "h264/reader.h"
#include "h265/reader.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using costream::Motion;
using costream::Picture;
using costream::Summary;
using costream::Tracker;

static_assert(sizeof(Motion) == 10, "arrays view the motion in place");

// Views of a picture's arrays, without a copy; they keep the picture alive. Strides count
// elements.
template <typename T>
nb::ndarray<nb::numpy, const T> view(nb::handle owner, const void* data,
                                     std::initializer_list<std::size_t> shape,
                                     std::initializer_list<std::int64_t> strides) {
  return nb::ndarray<nb::numpy, const T>(static_cast<const T*>(data), shape, owner, strides);
}

template <typename T, typename Stored>
nb::ndarray<nb::numpy, const T> plane(nb::handle owner, const Picture& picture,
                                      const costream::Plane<Stored>& data) {
  static_assert(sizeof(T) == sizeof(Stored));
  const auto rows = static_cast<std::size_t>(picture.rows),
             columns = static_cast<std::size_t>(picture.columns);
  return view<T>(owner, data.data(), {rows, columns}, {picture.columns, 1});
}

// With all of its blocks written.
const Picture& completed(nb::handle_t<Picture> self) {
  auto& picture = nb::cast<Picture&>(self);
  picture.complete();
  return picture;
}

template <typename T, typename Stored, std::vector<Stored> Summary::*Plane>
auto summary_view() {
  static_assert(sizeof(T) == sizeof(Stored));
  return [](nb::handle_t<Summary> self) {
    const auto& summary = nb::cast<const Summary&>(self);
    const auto rows = static_cast<std::size_t>(summary.rows);
    const auto columns = static_cast<std::size_t>(summary.columns);
    return view<T>(self, (summary.*Plane).data(), {rows, columns}, {summary.columns, 1});
  };
}

using Luma = nb::ndarray<const std::uint8_t, nb::ndim<2>, nb::device::cpu>;

void check(const Luma& luma) {
  if (luma.stride(1) != 1) throw nb::value_error("rows of luma samples must be contiguous");
}

template <typename Reader>
void bind_reader(nb::module_& module, const char* name, const char* doc) {
  nb::class_<Reader>(module, name, doc)
      .def(nb::init<>())
      .def(
          "configure",
          [](Reader& reader, nb::bytes extradata) {
            reader.configure(static_cast<const std::uint8_t*>(extradata.data()), extradata.size());
          },
          "extradata"_a, "Take the stream's parameter sets: avcC or hvcC, Annex B, or empty bytes.")
      .def(
          "read",
          [](Reader& reader, nb::bytes packet, std::int64_t number) {
            const auto* data = static_cast<const std::uint8_t*>(packet.data());
            const std::size_t size = packet.size();
            nb::gil_scoped_release release;
            return reader.read(data, size, number);
          },
          "packet"_a, "number"_a,
          "The pictures of a packet, in decoding order. One thread at a time may read.")
      .def(
          "track",
          [](Reader& reader, const std::vector<nb::bytes>& packets, Tracker& tracker, float limit) {
            std::vector<std::pair<const std::uint8_t*, std::size_t>> views;
            views.reserve(packets.size());
            for (const nb::bytes& packet : packets)
              views.emplace_back(static_cast<const std::uint8_t*>(packet.data()), packet.size());
            nb::gil_scoped_release release;
            for (const auto& [data, size] : views) {
              if (tracker.worst() > limit) break;
              reader.track(data, size, tracker);
            }
          },
          "packets"_a, "tracker"_a, "limit"_a,
          "Report packets of predicted pictures to a tracker, until its worst is above the limit.")
      .def("reset", &Reader::reset, "Forget the pictures read so far, to go on elsewhere.");
}

}  // namespace

NB_MODULE(_bitstream, module) {
  // A thread that waits for a camera may outlive the interpreter, and its reader with it.
  nb::set_leak_warnings(false);
  module.doc() = "Motion, modes, QPs and residual energy from the bits of a video stream.";

  nb::class_<Picture>(module, "Picture", "What the bits of one coded picture say, by 4x4 block.")
      .def_ro("type", &Picture::type, "'I', 'P' or 'B': the most general of its slices.")
      .def_ro("packet", &Picture::packet, "Number of the packet that it came in.")
      .def_ro("order", &Picture::poc, "Picture order count.")
      .def_ro("key", &Picture::key, "Whether a decoder can start here.")
      .def_ro("field", &Picture::field, "Whether it's one field of an interlaced frame.")
      .def_ro("is_reference", &Picture::reference, "Whether others may be predicted from it.")
      .def_ro("bits", &Picture::bits, "Size of its slices.")
      .def_ro("width", &Picture::width, "Of the cropped picture, in luma samples.")
      .def_ro("height", &Picture::height, "Of the cropped picture, in luma samples.")
      .def_ro("crop_left", &Picture::crop_left, "Luma samples left of the cropped picture.")
      .def_ro("crop_top", &Picture::crop_top, "Luma samples above the cropped picture.")
      .def_ro("columns", &Picture::columns, "Width of the coded picture in 4x4 blocks.")
      .def_ro("rows", &Picture::rows, "Height of the coded picture in 4x4 blocks.")
      .def_ro("references", &Picture::references,
              "Picture order counts that `reference` points to.")
      .def_ro("slices", &Picture::slices, "Slices that were read to their very end.")
      .def_ro("unsupported", &Picture::unsupported, "What the others needed, or 'damaged'.")
      .def(
          "summary",
          [](Picture& picture, int step, int block, std::pair<float, float> scale) {
            if (block != 4 && block != 8 && block != 16)
              throw nb::value_error("blocks are of 4, 8 or 16 samples");
            nb::gil_scoped_release release;
            return costream::summarise(picture, step, block, scale.first, scale.second);
          },
          "step"_a, "block"_a = 16, "scale"_a = std::pair<float, float>(1, 1),
          "Sum up on blocks of so many samples; `step` is the distance to the picture before, "
          "`scale` the pixels that a sample is wide and high where it is displayed.")
      .def_prop_ro(
          "motion",
          [](nb::handle_t<Picture> self) {
            const Picture& picture = completed(self);
            const auto rows = static_cast<std::size_t>(picture.rows);
            const auto columns = static_cast<std::size_t>(picture.columns);
            return view<std::int16_t>(self, picture.motion.data(), {rows, columns, 2, 2},
                                      {picture.columns * 5, 5, 2, 1});
          },
          "int16 [rows, columns, 2, 2]: vectors by list as x, y in quarters of a sample.")
      .def_prop_ro(
          "reference",
          [](nb::handle_t<Picture> self) {
            const Picture& picture = completed(self);
            const auto rows = static_cast<std::size_t>(picture.rows);
            const auto columns = static_cast<std::size_t>(picture.columns);
            const auto* data = reinterpret_cast<const std::uint8_t*>(picture.motion.data());
            return view<std::int8_t>(self, data + offsetof(Motion, reference), {rows, columns, 2},
                                     {picture.columns * 10, 10, 1});
          },
          "int8 [rows, columns, 2]: by list, which of `references`; -1 where none.")
      .def_prop_ro(
          "mode",
          [](nb::handle_t<Picture> self) {
            const Picture& picture = completed(self);
            return plane<std::uint8_t>(self, picture, picture.mode);
          },
          "uint8 [rows, columns]: 0 not coded, 1 skip, 2 inter, 3 intra.")
      .def_prop_ro(
          "qp",
          [](nb::handle_t<Picture> self) {
            const Picture& picture = completed(self);
            return plane<std::int8_t>(self, picture, picture.qp);
          },
          "int8 [rows, columns]: luma QP.")
      .def_prop_ro(
          "energy",
          [](nb::handle_t<Picture> self) {
            const Picture& picture = completed(self);
            return plane<std::uint32_t>(self, picture, picture.energy);
          },
          "uint32 [rows, columns]: sum of |dequantised luma coefficient|; 0 where none was coded.");

  nb::class_<Summary>(module, "Summary", "A picture summed up on larger blocks.")
      .def_prop_ro("x", summary_view<float, float, &Summary::x>(),
                   "float32 [rows, columns]: movement rightwards since the picture before, samples.")
      .def_prop_ro("y", summary_view<float, float, &Summary::y>(), "Likewise downwards.")
      .def_prop_ro("peak", summary_view<float, float, &Summary::peak>(),
                   "float32 [rows, columns]: the fastest 4x4 block's movement, samples.")
      .def_prop_ro("state", summary_view<std::uint8_t, costream::State, &Summary::state>(),
                   "uint8 [rows, columns]: 0 still, 1 moving, 2 not predicted.")
      .def_prop_ro("energy", summary_view<float, float, &Summary::energy>(),
                   "float32 [rows, columns]: sum of |dequantised luma coefficient| a sample.")
      .def_prop_ro("qp", summary_view<float, float, &Summary::qp>(),
                   "float32 [rows, columns]: mean luma QP.");

  nb::class_<Tracker>(module, "Tracker", "Follows a picture through others that are not decoded.")
      .def(nb::init<>())
      .def(
          "start",
          [](Tracker& tracker, const Luma& luma) {
            check(luma);
            tracker.start(luma.data(), luma.stride(0), static_cast<int>(luma.shape(1)),
                          static_cast<int>(luma.shape(0)));
          },
          "luma"_a,
          "Begin with a decoded picture, uint8 [height, width]: what follows is compared with it.")
      .def(
          "see",
          [](Tracker& tracker, const Luma& luma, float step, float limit) {
            check(luma);
            return tracker.see(luma.data(), luma.stride(0), static_cast<int>(luma.shape(1)),
                               static_cast<int>(luma.shape(0)), step, limit);
          },
          "luma"_a, "step"_a, "limit"_a,
          "A picture is sampled by a rule that keeps 8x8 samples whose mean has changed by more than "
          "a step since it kept them last. Returns like difference, but from the picture at which what "
          "is seen came to rest: this one if it differs by more than the limit.")
      .def(
          "restart",
          [](Tracker& tracker, const Luma& luma) {
            check(luma);
            tracker.restart(luma.data(), luma.stride(0), static_cast<int>(luma.shape(1)),
                            static_cast<int>(luma.shape(0)));
          },
          "luma"_a, "Go on from a later picture, decoded; what follows is compared as before.")
      .def(
          "change",
          [](const Tracker& tracker, const Luma& luma) {
            check(luma);
            return tracker.change(luma.data(), luma.stride(0), static_cast<int>(luma.shape(1)),
                                  static_cast<int>(luma.shape(0)));
          },
          "luma"_a,
          "Like difference, of a decoded picture; inf where it is not of the size of the first one.")
      .def("carry", &Tracker::carry,
           "Go on behind an intra picture that is taken to look like the one before.")
      .def_prop_ro(
          "difference", [](const Tracker& tracker) { return tracker.difference(); },
          "The largest difference of the mean of 8x8 samples by now; inf: not known.")
      .def_prop_ro("lit", &Tracker::lit,
                   "By how much the light changed from the picture seen before to the last one, in "
                   "the mean; inf: most of the picture changed by more than a step.")
      .def_prop_ro("worst", &Tracker::worst,
                   "The largest one after any picture since the last decoded one; inf: not known.")
      .def_prop_ro(
          "deltas",
          [](nb::handle_t<Tracker> self) {
            const auto& tracker = nb::cast<const Tracker&>(self);
            const auto rows = static_cast<std::size_t>(tracker.rows());
            const auto columns = static_cast<std::size_t>(tracker.columns());
            return view<float>(self, tracker.deltas().data(), {rows, columns},
                               {tracker.columns(), 1});
          },
          "float32 [rows, columns]: by how much the mean luma of 4x4 samples differs from the last "
          "decoded picture's.");

  bind_reader<costream::H265Reader>(module, "H265Reader", "Reads H.265.");
  bind_reader<costream::H264Reader>(module, "H264Reader", "Reads H.264.");
}
