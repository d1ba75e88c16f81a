// Reads motion, modes, QPs and residual energy from H.265 streams, without any pixel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "../common/picture.h"
#include "../common/tracker.h"
#include "parameter_sets.h"
#include "references.h"
#include "slice_decoder.h"
#include "slice_header.h"

namespace costream {

class H265Reader {
 public:
  H265Reader() = default;
  H265Reader(const H265Reader&) = delete;
  H265Reader& operator=(const H265Reader&) = delete;

  // The stream's parameter sets: an HEVCDecoderConfigurationRecord, after which packets hold
  // length-prefixed NAL units, or Annex B (or nothing), after which packets are Annex B.
  void configure(const std::uint8_t* extradata, std::size_t size);

  // The pictures of a packet that holds whole access units, in decoding order.
  std::vector<Picture> read(const std::uint8_t* packet, std::size_t size, std::int64_t number);

  // Reports a packet's pictures to the tracker instead, at a fraction of the time. The tracker
  // fails where one of them is an intra picture, or can't be read.
  void track(const std::uint8_t* packet, std::size_t size, Tracker& tracker);

  // To go on elsewhere in the stream.
  void reset();

 private:
  void packet(const std::uint8_t* data, std::size_t size, std::vector<Picture>& out);
  void note(Picture& picture, const std::string& reason);
  void nal_unit(const std::uint8_t* data, std::size_t size, std::vector<Picture>& out);
  void slice(int type, int temporal_id, std::size_t coded_size, std::vector<Picture>& out);
  bool start_picture(int type, int temporal_id, const h265::SliceHeader& header, Picture& picture);
  void finish_picture();

  h265::ParameterSets sets_;
  int length_bytes_ = 0;  // 0: Annex B
  std::int64_t packet_ = 0;
  std::vector<std::uint8_t> payload_;

  // The current picture; null where none is open. It's the last one of the packet's list.
  Picture* picture_ = nullptr;
  bool decoding_ = false;  // its slices are being read
  std::shared_ptr<const h265::SequenceParameters> sps_;
  std::shared_ptr<const h265::PictureParameters> pps_;
  std::shared_ptr<const h265::SequenceParameters> layout_sps_;
  std::shared_ptr<const h265::PictureParameters> layout_pps_;
  h265::TileLayout layout_;
  h265::SliceHeader header_;
  bool header_valid_ = false;
  h265::ReferenceLists lists_;
  h265::SliceDecoder decoder_;
  Tracker* tracker_ = nullptr;  // set: pictures are reported to it alone
  Picture spare_;               // has the arrays of the last picture that it was for

  // Across pictures.
  h265::ReferenceBuffer references_;
  std::int32_t poc_ = 0;
  std::int32_t previous_poc_ = 0;  // of prevTid0Pic
  bool sequence_starts_ = true;      // the next picture is the first one of a sequence
};

}  // namespace costream
