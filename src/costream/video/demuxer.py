"""The packets of one video stream of a container, past what can't be read."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

_MAX_BAD_READS = 16


class Demuxer:
    """Reads an open container once.

    Attributes:
        broke_off: the last thing read was broken.
        error: what ended the reading before the container's end, or None.
    """

    def __init__(
        self, container: InputContainer, video: VideoStream, on_error: Callable[[Exception], None]
    ) -> None:
        """Starts before the first packet.

        Args:
            container: the open source; it stays the caller's to close.
            video: the stream of it that is read.
            on_error: told of every error that is read past.
        """
        self._container = container
        self._video = video
        self._on_error = on_error
        self._positions: deque[int | None] = deque([None, None], maxlen=2)
        self.broke_off = False
        self.error: Exception | None = None

    @property
    def position(self) -> int | None:
        """Where in the source the last packet but one begins, in bytes, if that is known.

        The last one may be what a demuxer took for one behind the end.
        """
        return self._positions[0]

    @property
    def track(self) -> int | None:
        """Number of the track, if it is one of an MPEG transport stream."""
        return self._video.id if self._container.format.name == "mpegts" else None

    def packets(self) -> Iterator[Packet[VideoStream]]:
        """Yields packets in decoding order, until the end or an error that can't be read past."""
        failures = 0
        while failures < _MAX_BAD_READS:
            try:
                for packet in self._container.demux(self._video):
                    if packet.size:
                        failures = 0
                        self._positions.append(packet.pos)
                        yield packet
                break
            except IndexError:
                # PyAV 18.1 trips, after the last packet, over tracks that appeared in mid-stream.
                break
            except av.error.InvalidDataError as error:
                failures += 1
                self._on_error(error)
            except (av.FFmpegError, OSError) as error:
                self.error = error
                break
        self.broke_off = failures > 0
