import av
import numpy as np
import pytest
from av.video.frame import PictureType

from costream.errors import SettingsError
from costream.lab.synth import EncoderSettings, SyntheticCamera, encode


@pytest.fixture(scope="module")
def frames() -> list[np.ndarray]:
    camera = SyntheticCamera(seed=2, width=320, height=180)
    return [camera.frame(index) for index in range(300, 330)]


def read(path) -> tuple[str, list[av.VideoFrame]]:
    with av.open(str(path)) as container:
        return container.streams.video[0].codec_context.name, list(container.decode(video=0))


def types(frames: list[av.VideoFrame]) -> str:
    return "".join(PictureType(frame.pict_type).name for frame in frames)


@pytest.mark.parametrize(
    ("settings", "codec", "expected"),
    [
        (EncoderSettings(gop=10), "h264", "IPPPPPPPPP" * 3),
        (EncoderSettings(gop=10, codec="libx265"), "hevc", "IPPPPPPPPP" * 3),
        (EncoderSettings(gop=50, low_delay=True), "h264", "I" + "P" * 29),
        (EncoderSettings(gop=10, bit_rate=200_000), "h264", "IPPPPPPPPP" * 3),
    ],
)
def test_the_codec_and_the_gop_are_those_asked_for(tmp_path, frames, settings, codec, expected):
    name, decoded = read(encode(frames, tmp_path / "camera.mp4", fps=25, settings=settings))
    assert name == codec
    assert types(decoded) == expected


def test_b_frames_come_when_they_are_asked_for(tmp_path, frames):
    settings = EncoderSettings(gop=15, bframes=2)
    _, decoded = read(encode(frames, tmp_path / "camera.mp4", fps=25, settings=settings))
    assert types(decoded).startswith("IBBPBBP")
    assert len(decoded) == 30


@pytest.mark.parametrize("suffix", ["mp4", "ts", "mkv"])
def test_pictures_and_times_survive(tmp_path, frames, suffix):
    _, decoded = read(encode(frames, tmp_path / f"camera.{suffix}", fps=12.5))
    assert len(decoded) == len(frames)
    assert decoded[-1].time - decoded[0].time == pytest.approx(29 / 12.5, abs=0.002)
    difference = np.abs(decoded[20].to_ndarray(format="rgb24").astype(int) - frames[20])
    assert difference.mean() < 6


def test_quality_follows_the_setting(tmp_path, frames):
    sizes = [
        encode(frames, tmp_path / "x.mp4", fps=25, settings=EncoderSettings(crf=crf)).stat().st_size
        for crf in (18, 35)
    ]
    assert sizes[0] > 2 * sizes[1]


def test_nothing_to_encode_is_an_error(tmp_path):
    with pytest.raises(SettingsError, match="nothing to encode"):
        encode([], tmp_path / "x.mp4", fps=25)


@pytest.mark.parametrize(
    "setting",
    [{"codec": "mjpeg"}, {"gop": 0}, {"bit_rate": 0}, {"low_delay": True, "bframes": 2}],
)
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(SettingsError):
        EncoderSettings(**setting)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_further_settings_win_over_the_others(tmp_path, frames, codec):
    settings = EncoderSettings(codec=codec, gop=10, params="keyint=15:min-keyint=15")
    _, decoded = read(encode(frames, tmp_path / "camera.mp4", fps=25, settings=settings))
    assert types(decoded) == ("I" + "P" * 14) * 2


@pytest.mark.parametrize("params", ["ref", "ref=", "ref=4:", ":ref=4", "a b=1"])
def test_further_settings_of_another_form_are_refused(params):
    with pytest.raises(SettingsError, match="name=value"):
        EncoderSettings(params=params)
