"""Larger blocks say what their 4x4 blocks say, whichever are looked at first."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext

from costream.video.bitstream import open_reader

from . import streams

pytest.importorskip("costream._bitstream", reason="built without the bitstream readers")

SKIP, INTER = 1, 2
PLANES = ("motion", "reference", "mode", "qp", "energy")
SUMS = ("x", "y", "peak", "state", "energy", "qp")


def hall(frames: int, size: tuple[int, int]) -> list[np.ndarray]:
    """Something moves through a picture that stands still but for a little noise."""
    ground = next(streams.scene(1, size))
    draw = np.random.default_rng(3)
    pictures = []
    for t in range(frames):
        picture = ground + draw.normal(0, 0.7, size)
        picture[20:60, 5 * t : 5 * t + 40] = 220
        pictures.append(np.clip(picture, 0, 255))
    return pictures


def encode(codec: str, options: str, size: tuple[int, int] = streams.SIZE) -> streams.Stream:
    if codec == "libx264":
        settings = {"preset": "medium", "x264-params": f"threads=1:scenecut=0:{options}"}
    else:
        settings = {"x265-params": f"log-level=none:pools=none:frame-threads=1:{options}"}
    return streams.encode(codec, settings, size=size, pictures=hall(10, size))


def cropped(stream: streams.Stream, left: int, top: int) -> streams.Stream:
    """The stream that says that so many samples are to be cut off."""
    data = io.BytesIO(stream.extradata + b"".join(stream.packets))
    with av.open(data, format=stream.codec) as container:
        track = container.streams.video[0]
        name = f"{stream.codec}_metadata=crop_left={left}:crop_top={top}"
        change = BitStreamFilterContext(name, track)
        packets = [
            bytes(changed)
            for packet in container.demux(track)
            if packet.size
            for changed in change.filter(packet)
        ]
    return streams.Stream(stream.codec, packets, b"")


def read(stream: streams.Stream) -> list:
    reader = open_reader(stream.codec, stream.extradata)
    return [p for n, packet in enumerate(stream.packets) for p in reader.read(packet, n)]


def sum_up(picture, step: int, block: int = 16) -> dict[str, np.ndarray]:
    """The summary by its definition, in double precision."""
    orders = np.array(list(picture.references) or [picture.order], float)
    distance = picture.order - orders
    factors = np.where(distance == 0, 0, -0.25 * step / np.where(distance == 0, 1, distance))
    predicted = (picture.mode == SKIP) | (picture.mode == INTER)
    used = (picture.reference >= 0) & predicted[..., None]
    vectors = np.where(used[..., None], picture.motion, 0)
    moves = (vectors * factors[np.maximum(picture.reference, 0)][..., None]).sum(axis=2)
    moves /= np.maximum(used.sum(axis=-1), 1)[..., None]
    moving = vectors.any(axis=(2, 3))
    rows, columns = -(-picture.height // block), -(-picture.width // block)
    found = {name: np.zeros((rows, columns)) for name in SUMS}
    for row in range(rows):
        for column in range(columns):
            top, left = picture.crop_top + block * row, picture.crop_left + block * column
            part = np.s_[top // 4 : (top + block) // 4, left // 4 : (left + block) // 4]
            found["x"][row, column], found["y"][row, column] = moves[part].mean(axis=(0, 1))
            found["peak"][row, column] = np.hypot(*np.moveaxis(moves[part], -1, 0)).max()
            state = 2 if not predicted[part].all() else 1 if moving[part].any() else 0
            found["state"][row, column] = state
            found["energy"][row, column] = picture.energy[part].mean() / 16
            found["qp"][row, column] = picture.qp[part].mean()
    return found


STREAMS = [
    ("libx264", "aq-mode=1:bframes=0"),
    ("libx264", "bframes=2:slices=3"),
    ("libx264", "cabac=0:bframes=2"),
    ("libx264", "ref=4:bframes=3:direct=temporal:weightp=2"),
    ("libx265", "bframes=0"),
    ("libx265", "bframes=3"),
]


@pytest.mark.parametrize("crop", [None, (16, 32), (8, 4)])
@pytest.mark.parametrize(("codec", "options"), STREAMS)
def test_blocks_sum_up_what_is_in_them(codec, options, crop):
    stream = encode(codec, options)
    if crop:
        stream = cropped(stream, *crop)
    pictures = read(stream)
    assert len(pictures) == 10
    if crop:
        assert (pictures[0].crop_left, pictures[0].crop_top) == crop
    still = 0
    for picture, other in zip(pictures, read(stream), strict=True):
        before = picture.summary(2)
        planes = {name: getattr(picture, name).copy() for name in PLANES}
        after = picture.summary(2)
        for name, plane in planes.items():
            assert (plane == getattr(other, name)).all()
        for name, expected in sum_up(picture, 2).items():
            found = getattr(before, name)
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
            assert (found == getattr(after, name)).all()
        still += int((before.state == 0).sum())
    assert still > 200


@pytest.mark.parametrize("block", [4, 8, 16])
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_blocks_of_all_sizes_where_some_are_cut_off(codec, block):
    for picture in read(encode(codec, "bframes=2", size=(182, 310)))[::3]:
        found = picture.summary(1, block)
        for name, expected in sum_up(picture, 1, block).items():
            np.testing.assert_allclose(getattr(found, name), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_movement_is_in_displayed_pixels(codec):
    for picture in read(encode(codec, "bframes=2"))[1::3]:
        plain, fine = picture.summary(1, 4), picture.summary(1, 4, scale=(2, 3))
        np.testing.assert_allclose(fine.x, 2 * plain.x, rtol=1e-5)
        np.testing.assert_allclose(fine.y, 3 * plain.y, rtol=1e-5)
        np.testing.assert_allclose(fine.peak, np.hypot(fine.x, fine.y), rtol=1e-5)
        assert (fine.state == plain.state).all() and (fine.energy == plain.energy).all()


def test_other_sizes_of_blocks_are_an_error():
    picture = read(encode("libx264", "bframes=0"))[0]
    with pytest.raises(ValueError, match="4, 8 or 16"):
        picture.summary(1, 32)
