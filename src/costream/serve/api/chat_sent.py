"""Videos that are sent to be asked about: uploaded, or in the request itself."""

from __future__ import annotations

import base64
import binascii
import hashlib
from functools import partial

from costream.serve.api.answerer import VideoHost
from costream.serve.api.chat_body import upload_id
from costream.serve.api.chat_errors import ApiError
from costream.serve.api.chat_target import Target
from costream.serve.api.chat_uploads import Uploads, stored
from costream.serve.api.chat_videos import Video, Videos


class SentVideos:
    """The videos of a service. Any thread may use it.

    Args:
        host: the service.

    Attributes:
        uploads: those that were uploaded.
        videos: those that were read and stay.
    """

    def __init__(self, host: VideoHost) -> None:
        self.uploads = Uploads(host.folder / "uploads", host.max_upload)
        self.videos = Videos(host)

    def target(self, url: str) -> Target:
        """Takes a video by the URL of a message; it is read first where it has not stayed.

        Raises:
            ApiError: it leads to no video, or too many videos are asked about at once.
            UnknownError: there is no such upload.
        """
        id = upload_id(url)
        video = self._uploaded(id) if id is not None else self._inline(url)
        return Target(
            video.handle.reply,
            {} if id is None else {"file": id},
            partial(self.videos.read_to_its_end, video),
            partial(self.videos.give_back, video),
        )

    def close(self) -> None:
        """Lets go of all videos."""
        self.videos.close()

    def _uploaded(self, id: str) -> Video:
        upload = self.uploads.get(id)
        return self.videos.take(upload.sha256, self.uploads.path(upload))

    def _inline(self, url: str) -> Video:
        """Takes the video out of a ``data:`` URL, into a file until it was read."""
        data = _decoded(url)
        content = hashlib.sha256(data).hexdigest()
        with stored(), self.uploads.incoming(len(data)) as (id, incoming):
            incoming.write(data)
            incoming.flush()
            upload = self.uploads.keep(id, incoming, "inline", "vision")
        discard = partial(self.uploads.forget, upload)
        try:
            return self.videos.take(content, self.uploads.path(upload), discard)
        except BaseException:
            discard()
            raise


def _decoded(url: str) -> bytes:
    """Returns the content of a ``data:`` URL of a video.

    Raises:
        ApiError: it is none.
    """
    head, _, text = url.partition(",")
    if not head.startswith("data:video/") or not head.endswith(";base64"):
        raise ApiError(
            400,
            "a video's URL is 'data:video/...;base64,...', or 'upload:ID' after an upload to "
            "/v1/files: videos elsewhere are not fetched",
            param="messages",
            code="invalid_video_url",
        )
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ApiError(400, "the video is not base64", code="invalid_video_url") from error
    if not data:
        raise ApiError(400, "the video is empty", code="invalid_video_url")
    return data
