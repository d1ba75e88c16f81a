"""How a camera is connected to, in the process that reads it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from costream.serve.cameras.push import PushedStream
from costream.serve.config.model import CameraConfig
from costream.video import Credentials, Stream
from costream.video.naming import is_path, protocol
from costream.video.paced import PacedStream
from costream.video.pipe import is_fifo
from costream.video.provenance import SCHEME
from costream.video.reach import Reach


@dataclass(frozen=True, slots=True)
class CameraConnect:
    """Makes a new stream of a camera, not opened yet. It can be pickled.

    Attributes:
        config: the camera.
        name: what a camera is called that sends to us.
        motion: whether motion vectors are read.
        reach: what its URL may be: see :data:`~costream.video.reach.Reach`.
        port: of a camera that sends to us, the path of its :class:`PushPort`'s socket.
    """

    config: CameraConfig
    name: str
    motion: bool
    reach: Reach
    port: Path | None = None

    def __call__(self) -> Stream:
        """Returns the stream.

        Raises:
            SettingsError: the credentials can't be read, or there is no such synthetic camera.
        """
        config, url = self.config, self.config.url
        if self.port is not None:
            return PushedStream(
                self.port,
                name=self.name,
                timeout=config.timeout,
                motion=self.motion,
                decode=config.decode,
            )
        if url.startswith(SCHEME):
            # What renders a world takes memory that no other camera's process needs.
            from costream.serve.cameras.synthetic import SyntheticStream

            return SyntheticStream(url, motion=self.motion, decode=config.decode)
        if self.reach == "local" and is_path(url) and not is_fifo(Path(url)):
            return PacedStream(url, loop=config.loop, motion=self.motion, decode=config.decode)
        rtsp = protocol(url) in ("rtsp", "rtsps")
        file = config.credentials_file
        return Stream(
            url,
            timeout=config.timeout,
            motion=self.motion,
            decode=config.decode,
            options={"rtsp_transport": config.transport} if rtsp else None,
            credentials=Credentials.read(file) if file else None,
            reach=self.reach,
        )
