from fractions import Fraction

import av
import numpy as np
import pytest
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter

from costream.video import Picture
from tests.video.encode import texture


def colour_frame(height=48, width=64, colour_range=1):
    y = texture(height, width, 1)
    planes = np.concatenate([y.ravel(), np.full(height * width // 4, 90, np.uint8)] * 1)
    planes = np.concatenate([planes, np.full(height * width // 4, 170, np.uint8)])
    frame = av.VideoFrame.from_ndarray(planes.reshape(-1, width), format="yuv420p")
    frame.color_range = colour_range
    return frame


@pytest.mark.parametrize("colour_range", [0, 1, 2])
def test_rgb_equals_ffmpeg(colour_range):
    frame = colour_frame(colour_range=colour_range)
    expected = frame.to_ndarray(format="rgb24")
    assert (Picture.from_frame(frame).rgb() == expected).all()


def test_rgb_equals_ffmpeg_on_decoded_odd_sizes(odd):
    with av.open(str(odd)) as container:
        for frame in container.decode(video=0):
            picture = Picture.from_frame(frame)
            assert (picture.width, picture.height) == (321, 243)
            assert (picture.rgb() == frame.to_ndarray(format="rgb24")).all()


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_rotation_is_clockwise(rotation):
    frame = colour_frame()
    picture = Picture.from_frame(frame, rotation)
    upright = Picture.from_frame(frame)
    expected = np.rot90(upright.rgb(), -rotation // 90)
    assert (picture.rgb() == expected).all()
    assert picture.rgb().shape == (picture.height, picture.width, 3)
    rows, cols = (6, 8) if rotation % 180 == 0 else (8, 6)
    assert (picture.luma(rows, cols) == np.rot90(upright.luma(6, 8), -rotation // 90)).all()


def test_luma_is_the_mean_over_areas():
    pixels = np.repeat(texture(48, 64)[..., None], 3, axis=2)
    got = Picture.from_rgb(pixels).luma(6, 8).astype(int)
    expected = pixels[..., 0].reshape(6, 8, 8, 8).mean((1, 3))
    assert np.abs(got - expected).max() <= 2


def test_luma_expands_limited_range():
    black = np.concatenate([np.full((16, 16), 16, np.uint8), np.full((8, 16), 128, np.uint8)])
    frame = av.VideoFrame.from_ndarray(black, format="yuv420p")
    assert Picture.from_frame(frame).luma(2, 2).max() == 0


def test_from_rgb_keeps_the_pixels_and_takes_a_copy():
    pixels = np.random.default_rng(0).integers(0, 256, (31, 17, 3), dtype=np.uint8)
    before = pixels.copy()
    picture = Picture.from_rgb(pixels)
    pixels[:] = 0
    assert (picture.rgb() == before).all()
    assert (picture.width, picture.height) == (17, 31)
    assert picture.luma(4, 4).shape == (4, 4)


@pytest.mark.parametrize(
    ("shape", "dtype"), [((4, 4), np.uint8), ((4, 4, 3), np.float32), ((4, 4, 4), np.uint8)]
)
def test_from_rgb_refuses_other_arrays(shape, dtype):
    with pytest.raises(ValueError, match="uint8"):
        Picture.from_rgb(np.zeros(shape, dtype))


def test_only_quarter_turns():
    with pytest.raises(ValueError, match="45"):
        Picture.from_frame(colour_frame(), 45)


def yuv(full, tag, form="yuv420p"):
    """A grey ramp, its luma in the range of ``full`` and its frame's range tagged as said."""
    ramp = np.tile(np.arange(0, 256, 4), (16, 1))
    luma = ramp if full else np.round(16 + ramp * 219 / 255)
    planes = np.concatenate([luma.ravel(), np.full(luma.size // 2, 128)]).astype(np.uint8)
    frame = av.VideoFrame.from_ndarray(planes.reshape(-1, 64), format="yuv420p")
    frame = frame if form == "yuv420p" else renamed(frame, form)
    frame.color_range = tag
    return frame, ramp


def renamed(frame, form):
    """The same samples under another format's name."""
    other = av.VideoFrame(frame.width, frame.height, form)
    for source, target in zip(frame.planes, other.planes, strict=True):
        target.update(bytes(source))
    return other


@pytest.mark.parametrize(
    ("full", "tag", "form"),
    [
        (True, 2, "yuv420p"),
        (False, 1, "yuv420p"),
        (False, 0, "yuv420p"),
        (True, 2, "yuvj420p"),
        (True, 0, "yuvj420p"),
        (False, 1, "yuvj420p"),
    ],
)
def test_luma_and_rgb_are_of_the_range_that_the_frame_says(full, tag, form):
    frame, ramp = yuv(full, tag, form)
    picture = Picture.from_frame(frame)
    assert np.abs(picture.rgb().astype(int) - ramp[..., None]).max() <= 1
    assert np.abs(picture.luma(16, 64).astype(int) - ramp).max() <= 1


def test_a_conversion_leaves_nothing_to_the_next():
    """Converters are kept for each thread; range and matrix change from picture to picture."""
    frames = []
    for tag, matrix in ((1, 1), (2, 1), (1, 5), (2, 9), (0, 2), (1, 9)):
        frame = colour_frame(colour_range=tag)
        frame.colorspace = matrix
        frames.append(frame)
    alone = [frame.to_ndarray(format="rgb24") for frame in frames]
    dark = [grey(frame).to_ndarray() for frame in frames]
    assert len({pixels.tobytes() for pixels in alone}) == 5  # nothing said is BT.601, limited
    # Luma is of the coded luma plane, whatever the matrix.
    assert len({pixels.tobytes() for pixels in dark}) == 2
    for frame, pixels, luma in [*zip(frames, alone, dark, strict=True)] * 2:
        picture = Picture.from_frame(frame)
        assert (picture.rgb() == pixels).all()
        assert (picture.luma(6, 8) == luma).all()


def grey(frame):
    """Converted by a converter of its own."""
    return VideoReformatter().reformat(
        frame,
        8,
        6,
        format="gray",
        src_colorspace=Colorspace.DEFAULT,
        dst_colorspace=Colorspace.DEFAULT,
        interpolation=Interpolation.AREA,
        threads=1,
    )


@pytest.mark.parametrize(
    "form", ["gray", "gray10le", "gbrp", "rgba", "nv12", "yuv444p", "yuva420p", "yuv420p10le"]
)
def test_every_format_has_the_same_brightness(form):
    ramp = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (16, 1))
    shown = av.VideoFrame.from_ndarray(np.repeat(ramp[..., None], 3, axis=2), format="rgb24")
    picture = Picture.from_frame(shown.reformat(format=form))
    assert np.abs(picture.rgb().mean(-1) - ramp).max() <= 3
    assert np.abs(picture.luma(16, 64).astype(int) - ramp).max() <= 2


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 64), (64, 1), (8, 2048)])
def test_tiny_pictures_are_converted(size):
    frame = av.VideoFrame(size[1], size[0], "gray")
    frame.planes[0].update(bytes([200]) * frame.planes[0].buffer_size)
    picture = Picture.from_frame(frame, 90, aspect=Fraction(12, 11))
    assert picture.rgb().shape == (picture.height, picture.width, 3)
    assert (picture.luma(56, 40) == 200).all()
