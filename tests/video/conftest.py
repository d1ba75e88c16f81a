from pathlib import Path

import pytest

from tests.video import encode


@pytest.fixture(scope="session")
def clips(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="session")
def pan(clips) -> Path:
    """Two seconds of content moving right by 3 px a frame; x264 with B-frames."""
    return encode.encode(clips / "pan.mp4", encode.panning(50))


@pytest.fixture(scope="session")
def faststart(clips) -> Path:
    """Four seconds whose header comes first, so that a part of the file still opens."""
    return encode.encode(
        clips / "faststart.mp4",
        encode.panning(100, (2, 1)),
        gop=25,
        muxer={"movflags": "faststart"},
    )


@pytest.fixture(scope="session")
def transport(clips) -> Path:
    return encode.encode(clips / "pan.ts", encode.panning(60, (2, 1)), gop=20)


@pytest.fixture(scope="session")
def real_clips() -> list[Path]:
    folder = Path(__file__).parents[3] / "shared" / "clips"
    found = sorted([*folder.glob("*.mp4"), *folder.glob("*.avi"), *folder.glob("cctv/*.mp4")])
    if not found:
        pytest.skip("the real clips are not here (shared/clips beside the checkout)")
    return found


@pytest.fixture(scope="session")
def odd(clips) -> Path:
    """A size that is a multiple of nothing: 321 x 243."""
    pictures = encode.panning(12, size=(243, 321))
    return encode.encode(
        clips / "odd.mp4", pictures, "libx264", pixels="yuv444p", options={"qp": "20"}
    )
