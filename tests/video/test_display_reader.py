"""How streams are shown: what their headers say, in the container and in the codec."""

import logging
from fractions import Fraction

import av
import numpy as np
import pytest

from costream.video import Stream
from costream.video.sample import grid
from tests.video.encode import encode, filtered, panning, still, texture
from tests.video.shared import shared_input


def pasp(path, across, down):
    """Rewrites the sample aspect ratio that the container states."""
    data = bytearray(path.read_bytes())
    at = data.index(b"pasp") + 4
    data[at : at + 8] = across.to_bytes(4, "big") + down.to_bytes(4, "big")
    path.write_bytes(data)
    return path


def samples(path, **settings):
    with Stream(path, **settings) as stream:
        return stream.info, list(stream.samples(1000))


def joined(path, *parts):
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def middle(field):
    return np.median(field[2:-2, 2:-2].reshape(-1, field.shape[-1]), axis=0)


@pytest.mark.parametrize(
    ("container", "codec", "settings"),
    [
        ("mp4", "libx264", {}),
        ("mkv", "libx264", {}),
        ("ts", "libx264", {}),
        ("avi", "mpeg4", {"b_frames": 0}),
        ("mp4", "libx265", {"options": {"x265-params": "log-level=none"}}),
    ],
)
@pytest.mark.parametrize(
    ("aspect", "size"), [((2, 1), (640, 240)), ((12, 11), (349, 240)), ((1, 2), (320, 480))]
)
def test_samples_of_any_shape_are_shown_square(tmp_path, container, codec, settings, aspect, size):
    ratio = Fraction(*aspect)
    path = tmp_path / f"a.{container}"
    info, all_samples = samples(encode(path, panning(9, (3, 2)), codec, aspect=ratio, **settings))
    assert (info.width, info.height, info.sample_aspect) == (*size, ratio)
    assert info.motion == ("codec" if codec == "mpeg4" else "bitstream")
    sample = all_samples[4]
    assert (sample.picture.width, sample.picture.height) == size
    assert sample.picture.rgb().shape == (size[1], size[0], 3)
    change = sample.change
    assert change.peak.shape == grid(size[1], size[0])
    moved = (3 * size[0] / 320, 2 * size[1] / 240)
    assert middle(change.drift) == pytest.approx(moved, rel=0.2)
    # Lengths are in the same pixels as ways, or steadiness would mean nothing.
    assert np.median(change.peak) == pytest.approx(np.hypot(*moved), rel=0.2)
    assert np.median(change.steadiness()) == pytest.approx(1, abs=0.05)
    assert not change.damaged


def test_a_stretched_picture_is_the_coded_one_stretched(tmp_path):
    path = encode(tmp_path / "a.mp4", still(2), aspect=Fraction(2))
    square = encode(tmp_path / "b.mp4", still(2))
    wide, plain = samples(path)[1][0].picture, samples(square)[1][0].picture
    assert np.abs(wide.rgb()[:, ::2].astype(int) - plain.rgb()).mean() < 3
    assert (wide.luma(30, 40) == plain.luma(30, 40)).all()


def test_the_shape_of_samples_is_stretched_before_the_picture_is_turned(tmp_path):
    path = encode(tmp_path / "a.mp4", panning(9, (3, 1)), aspect=Fraction(2), rotation=90)
    info, all_samples = samples(path)
    assert (info.width, info.height, info.rotation) == (240, 640, 90)
    assert middle(all_samples[4].change.drift) == pytest.approx((-1, 6), abs=0.5)
    assert all_samples[4].picture.rgb().shape == (640, 240, 3)


def test_the_container_wins_over_the_codec(tmp_path):
    path = pasp(encode(tmp_path / "a.mp4", still(3), aspect=Fraction(2)), 4, 3)
    info, _ = samples(path)
    assert (info.width, info.height) == (427, 240)


def test_a_shape_that_no_sample_has_is_square_and_said_once(tmp_path, caplog):
    path = pasp(encode(tmp_path / "a.mp4", still(9), aspect=Fraction(2)), 1, 65535)
    with caplog.at_level(logging.WARNING, "costream"):
        info, _ = samples(path)
    assert (info.width, info.height, info.sample_aspect) == (320, 240, 1)
    assert [record.getMessage() for record in caplog.records] == [
        f"{path} says that its samples are 1:65535: they are taken as square"
    ]


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_a_shape_that_changes_changes_with_its_first_picture(tmp_path, codec):
    settings = {"options": {"x265-params": "log-level=none"}} if codec == "libx265" else {}
    suffix = "h264" if codec == "libx264" else "hevc"
    parts = [
        encode(tmp_path / f"{n}.{suffix}", panning(8), codec, aspect=aspect, b_frames=2, **settings)
        for n, aspect in enumerate((None, Fraction(2)))
    ]
    info, all_samples = samples(joined(tmp_path / f"c.{suffix}", *parts))
    assert info.width == 320
    assert [sample.picture.width for sample in all_samples] == [320] * 8 + [640] * 8
    assert [sample.change.peak.shape[1] for sample in all_samples] == [20] * 8 + [40] * 8
    assert [n for n, sample in enumerate(all_samples) if sample.change.damaged] == [8]


def test_an_orientation_that_changes_changes_with_its_first_picture(tmp_path):
    plain = encode(tmp_path / "a.h264", still(4), b_frames=2)
    name = "h264_metadata=display_orientation=insert:rotate=-90:flip=horizontal"
    turned = filtered(encode(tmp_path / "b.h264", still(4), b_frames=0), tmp_path / "c.h264", name)
    _, all_samples = samples(joined(tmp_path / "d.h264", plain, turned))
    sizes = [(sample.picture.width, sample.picture.height) for sample in all_samples]
    # The message is with the key frame alone, and holds for what follows.
    assert sizes == [(320, 240)] * 4 + [(240, 320)] * 4
    assert [n for n, sample in enumerate(all_samples) if sample.change.damaged] == [4]
    coded = samples(turned)[1][0].picture, samples(plain)[1][0].picture
    assert np.abs(coded[0].rgb() - np.rot90(coded[1].rgb().astype(int)[:, ::-1], -1)).mean() < 4


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_mirrored_stream_is_mirrored(tmp_path, rotation):
    pictures = panning(9, (3, 1))
    path = encode(tmp_path / "a.mp4", pictures, rotation=rotation, mirrored=True)
    plain = samples(encode(tmp_path / "b.mp4", pictures))[1][4]
    info, all_samples = samples(path)
    assert (info.mirrored, info.rotation) == (True, rotation)
    found = all_samples[4].picture
    expected = np.rot90(plain.picture.rgb()[:, ::-1], -rotation // 90)
    assert (found.rgb() == expected).all()
    assert found.luma(20, 20).shape == (20, 20)
    x, y = middle(plain.change.drift)
    moved = [(-x, y), (-y, -x), (x, -y), (y, x)][rotation // 90]
    assert middle(all_samples[4].change.drift) == pytest.approx(moved, abs=0.3)


def test_odd_angles_are_shown_as_coded_and_said_once(tmp_path, caplog):
    path = encode(tmp_path / "a.mp4", still(5), rotation=45)
    with caplog.at_level(logging.WARNING, "costream"):
        info, all_samples = samples(path)
    assert (info.rotation, info.mirrored, info.width) == (0, False, 320)
    assert len(all_samples) == 5
    assert len(caplog.records) == 1 and "quarter turn" in caplog.text


CROPS = [(2, 0, 0, 0), (20, 6, 2, 4), (64, 2, 0, 0), (0, 0, 80, 0), (0, 34, 0, 0)]


@pytest.mark.parametrize("crop", CROPS)
@pytest.mark.parametrize(
    ("codec", "settings"),
    [
        ("libx264", {}),
        ("libx264", {"pixels": "yuv444p"}),
        ("libx265", {"options": {"x265-params": "log-level=none"}}),
    ],
)
def test_what_is_cropped_off_is_nowhere(tmp_path, codec, settings, crop):
    left, top, right, bottom = crop
    pictures = [texture(240, 320, seed=2) // 2 for _ in range(6)]
    for n, picture in enumerate(pictures):
        picture[96:144, 112 + 4 * n : 160 + 4 * n] = 128 + texture(48, 48, seed=7) // 2
    options = settings.get("options", {})
    settings = {**settings, "options": {"crf": "8", **options}, "b_frames": 0}
    kind = "h264_metadata" if codec == "libx264" else "hevc_metadata"
    suffix = "h264" if codec == "libx264" else "hevc"
    whole = encode(tmp_path / f"a.{suffix}", pictures, codec, **settings)
    name = f"{kind}=crop_left={left}:crop_top={top}:crop_right={right}:crop_bottom={bottom}"
    info, all_samples = samples(filtered(whole, tmp_path / f"b.{suffix}", name))
    width, height = 320 - left - right, 240 - top - bottom
    assert (info.width, info.height) == (width, height)
    sample = all_samples[3]
    inside = slice(top, 240 - bottom), slice(left, 320 - right)
    assert np.abs(sample.picture.rgb()[..., 1].astype(int) - pictures[3][inside]).mean() < 4
    exact = sample.picture.luma(height, width)
    assert np.abs(exact.astype(int) - pictures[3][inside]).mean() < 4
    change = sample.change
    assert change.peak.shape == grid(height, width)
    assert change.motion == ("codec" if settings.get("pixels") else "bitstream")
    rows, cols = np.nonzero(change.peak > 3)
    # Where the square is, to within a block.
    assert abs(rows.min() - (96 - top) / 16) <= 1 and abs(rows.max() + 1 - (144 - top) / 16) <= 1
    assert abs(cols.min() - (124 - left) / 16) <= 1 and abs(cols.max() + 1 - (172 - left) / 16) <= 1
    assert np.isnan(change.qp).sum() == 0


@pytest.mark.parametrize("first", [True, False])
def test_a_range_that_changes_changes_nothing_in_the_picture(tmp_path, first):
    parts = [
        encode(
            tmp_path / f"{n}.h264",
            still(4),
            full_range=full,
            pixels="yuvj420p" if full else "yuv420p",
            # With a matrix x264 states the range as well.
            options={"crf": "4", "x264-params": "colormatrix=smpte170m"},
        )
        for n, full in enumerate((first, not first))
    ]
    _, all_samples = samples(joined(tmp_path / "c.h264", *parts))
    expected = texture(240, 320).astype(int)
    assert len(all_samples) == 8
    for sample in all_samples:
        assert np.abs(sample.picture.rgb().mean(-1) - expected).mean() < 2
        assert np.abs(sample.picture.luma(240, 320) - expected).mean() < 2


def number(pixels):
    """Which picture it is: 12 bars of the upper half, the lowest bit on the left."""
    height, width, _ = pixels.shape
    bars = [pixels[height // 4, int((bar + 0.5) * width / 12)].mean() > 128 for bar in range(12)]
    return sum(int(bit) << place for place, bit in enumerate(bars))


def test_a_stream_that_was_seen_to_be_shown_upside_down():
    info, all_samples = samples(shared_input("hflip.mp4"))
    _, plain = samples(shared_input("base.mp4"))
    assert (info.mirrored, info.rotation) == (True, 0)
    for mirrored, sample in zip(all_samples[::50], plain[::50], strict=True):
        assert (mirrored.picture.rgb() == sample.picture.rgb()[:, ::-1]).all()


def test_a_stream_that_was_seen_to_be_shown_narrow():
    info, all_samples = samples(shared_input("sar1080n.mp4"))
    assert (info.width, info.height) == (960, 544)
    assert [number(sample.picture.rgb()) for sample in all_samples] == list(range(60))


def test_a_stream_that_was_seen_to_change_its_light():
    _, all_samples = samples(shared_input("rangeflip.ts"))
    halves = {}
    for sample in all_samples:
        halves.setdefault(number(sample.picture.rgb()), []).append(sample.picture)
    assert len(halves) == 50
    for one, other in halves.values():
        assert np.abs(one.rgb().astype(int) - other.rgb()).mean() < 2
        assert np.abs(one.luma(28, 28).astype(int) - other.luma(28, 28)).max() <= 4


def test_interlaced_h264_is_woven_by_the_decoder(tmp_path):
    path = encode(
        tmp_path / "a.mp4", panning(6, (2, 0)), options={"x264-params": "tff=1", "crf": "8"}
    )
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).interlaced_frame
    info, all_samples = samples(path)
    assert (info.width, info.height, len(all_samples)) == (320, 240, 6)
    for sample, picture in zip(all_samples, panning(6, (2, 0)), strict=True):
        assert np.abs(sample.picture.rgb()[..., 1].astype(int) - picture).mean() < 4
