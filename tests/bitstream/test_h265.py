"""The H.265 reader: slices end at their ends, vectors give what a decoder reconstructs."""

from __future__ import annotations

import io
import itertools
import re
from pathlib import Path

import av
import numpy as np
import pytest

from . import streams
from .prediction import find_weight, interpolate, predict

_bitstream = pytest.importorskip(
    "costream._bitstream", reason="built without the bitstream readers"
)

SKIP, INTER, INTRA = 1, 2, 3
DATA = Path(__file__).parent / "data"


def x265(
    parameters: str = "", preset: str = "medium", pixel_format: str = "yuv420p", **scene
) -> streams.Stream:
    quiet = "log-level=none:pools=1:frame-threads=1:wpp=1"
    options = {"preset": preset, "x265-params": f"{quiet}:{parameters}"}
    return streams.encode("libx265", options, pixel_format=pixel_format, **scene)


def read(stream: streams.Stream) -> list:
    reader = _bitstream.H265Reader()
    reader.configure(stream.extradata)
    return [p for i, data in enumerate(stream.packets) for p in reader.read(data, i)]


def prove(stream: streams.Stream, bit_depth: int) -> tuple[int, int]:
    """Blocks without residual, all equal to their predictions, and how many have two vectors."""
    pictures = read(stream)
    decoded = stream.luma()
    # Picture order counts start again at each picture that resets them.
    period, keys = -1, []
    for picture in pictures:
        period += picture.key and picture.order == 0
        keys.append((period, picture.order))
    luma = dict(zip(sorted(keys), decoded, strict=True))
    proved = residuals = equal = both = 0
    for picture, key in zip(pictures, keys, strict=True):
        rows, columns = picture.rows, picture.columns
        actual = luma[key].reshape(rows, 4, columns, 4).swapaxes(1, 2)
        references = {o: luma[key[0], o] for o in picture.references if (key[0], o) in luma}
        predicted = (picture.mode == SKIP) | (picture.mode == INTER)
        for coded in (False, True):
            at = np.argwhere(predicted & ((picture.energy > 0) == coded))
            if not len(at):
                continue
            samples = predict(
                picture.motion,
                picture.reference,
                picture.references,
                references,
                at,
                bit_depth,
            )
            same = (samples == actual[at[:, 0], at[:, 1]]).all((1, 2))
            if coded:
                residuals += len(at)
                equal += same.sum()
                continue
            assert same.all(), f"picture {picture.order}: {at[~same][0]}"
            proved += len(at)
            both += (picture.reference[at[:, 0], at[:, 1]] >= 0).all(1).sum()
    assert equal < 0.05 * residuals
    return proved, both


@pytest.mark.parametrize(
    ("preset", "parameters"),
    [
        ("ultrafast", "bframes=0"),
        ("slow", "ctu=16:slices=2"),
        ("slower", "ctu=32:amp=1:rect=1:bframes=8:ref=5:weightb=1"),
        ("placebo", "open-gop=1:keyint=3"),
        ("medium", "lossless=1:no-temporal-mvp=1:wpp=0"),
        ("medium", "qp=4:tskip=1:scaling-list=default:signhide=0"),
        ("medium", "cu-lossless=1:qp=10:aq-mode=3:qg-size=8:max-merge=1"),
        ("medium", "tu-intra-depth=4:tu-inter-depth=4:temporal-layers=3:hrd=1:aud=1"),
        ("medium", "intra-refresh=1:constrained-intra=1:vbv-bufsize=500:vbv-maxrate=500"),
    ],
)
def test_every_slice_ends_exactly_at_its_end(preset, parameters):
    frames = 4 if preset == "placebo" else 8
    stream = x265(parameters, preset, frames=frames)
    pictures = read(stream)
    assert [p.packet for p in pictures] == list(range(frames))
    slices = int((re.search(r"slices=(\d)", parameters) or [0, 1])[1])
    for picture in pictures:
        assert (picture.slices, picture.unsupported) == (slices, [])
        assert (picture.width, picture.height) == (320, 192)
        assert picture.mode.min() >= SKIP
        assert picture.bits <= 8 * len(stream.packets[picture.packet])
    assert pictures[0].key
    assert pictures[0].type == "I"
    assert {p.type for p in pictures} - {"I"}


@pytest.mark.parametrize(
    ("preset", "parameters", "pixel_format"),
    [
        ("medium", "bframes=4:b-intra=1", "yuv420p"),
        ("slower", "ctu=32:amp=1:rect=1:ref=5:slices=2", "yuv420p"),
        ("veryslow", "ctu=16:bframes=8:keyint=6:open-gop=1:tskip=1", "yuv420p"),
        ("slow", "bframes=3:temporal-layers=3", "yuv420p10le"),
    ],
)
def test_vectors_give_the_decoded_samples(preset, parameters, pixel_format):
    """With the loop filters off, what has no residual is its prediction, bit for bit."""
    stream = x265(f"no-deblock=1:no-sao=1:weightp=0:weightb=0:{parameters}", preset, pixel_format)
    proved, both = prove(stream, 10 if "10" in pixel_format else 8)
    assert proved > 10_000
    assert both > 500


@pytest.mark.parametrize(
    "parameters", ["bframes=0:ref=3", "bframes=3:b-adapt=0", "bframes=4:b-adapt=0:ref=4:slices=2"]
)
def test_weighted_prediction(parameters):
    """In a fade every reference has a weight. Those aren't told, but there is one for each
    reference that makes its blocks without residual the decoded ones, bit for bit."""
    stream = x265(
        f"no-deblock=1:no-sao=1:weightp=1:weightb=1:{parameters}", pictures=streams.fade(8)
    )
    slices = 2 if "slices" in parameters else 1
    luma = dict(enumerate(stream.luma()))
    proved = {"P": 0, "B": 0}
    for picture in read(stream):
        assert (picture.slices, picture.unsupported) == (slices, [])
        actual = luma[picture.order].reshape(picture.rows, 4, picture.columns, 4).swapaxes(1, 2)
        still = (picture.energy == 0) & np.isin(picture.mode, (SKIP, INTER))
        single = still & ((picture.reference >= 0).sum(2) == 1)
        for side, (number, order) in itertools.product(range(2), enumerate(picture.references)):
            at = np.argwhere(single & (picture.reference[:, :, side] == number))
            if len(at) < 50:
                continue
            row, column = at.T
            vector = picture.motion[row, column, side].astype(np.int32)
            samples = interpolate(
                luma[order], row * 16 + vector[:, 1], column * 16 + vector[:, 0], 8
            )
            found = find_weight(samples, actual[row, column])
            assert found, f"picture {picture.order}, reference {order}"
            weight, exponent, offset = found
            assert weight != 1 << exponent or offset
            proved[picture.type] += len(at)
    assert proved["P"] > 1000
    assert (proved["B"] > 1000) == ("bframes=0" not in parameters)


@pytest.mark.parametrize(
    ("name", "slices"), [("tiles", 1), ("tile-slices", 4), ("dependent-slices", 2)]
)
def test_tiles_and_dependent_slices(name, slices):
    """Which x265 doesn't make: streams of kvazaar 2.3, loop filters off."""
    stream = streams.from_file(DATA / f"{name}.265")
    assert {(p.slices, *p.unsupported) for p in read(stream)} == {(slices,)}
    proved, _ = prove(stream, 8)
    assert proved > 1000


def test_fields_are_marked():
    assert not any(p.field for p in read(x265(frames=2)))
    assert all(p.field for p in read(x265("interlace=tff", frames=4)))


def test_skipped_blocks_carry_no_residual():
    for picture in read(x265()):
        assert not picture.energy[picture.mode == SKIP].any()
        assert (picture.reference[picture.mode == INTRA] == -1).all()
        assert (picture.reference[picture.mode == SKIP].max(1) >= 0).all()
        assert picture.reference.max(initial=-1) < max(1, len(picture.references))


def test_the_qp_is_that_of_the_encoder():
    """At a constant QP P pictures have it; I and B ones a step less and more."""
    for qp in (20, 33):
        pictures = read(x265(f"qp={qp}:ipratio=1:pbratio=1", frames=5))
        assert {int(q) for p in pictures for q in np.unique(p.qp)} == {qp}
    adaptive = read(x265("crf=28:aq-mode=2:aq-strength=2", frames=5))
    assert any(len(np.unique(p.qp)) > 3 for p in adaptive)


def test_the_energy_grows_with_the_residual():
    """One block that changes has all the energy there is in a still scene."""
    still = next(streams.scene(1)).round()
    changed = still.copy()
    changed[64:96, 96:128] = 255 - changed[64:96, 96:128]
    pictures = [still, still, changed]
    stream = streams.encode(
        "libx265",
        {"x265-params": "log-level=none:pools=1:bframes=0:qp=30"},
        pictures=pictures,
    )
    energy = read(stream)[2].energy
    inside = energy[16:24, 24:32].sum()
    assert inside > 1000
    assert inside > 0.9 * energy.sum()


def test_arrays_are_views_that_keep_their_picture():
    motion = read(x265(frames=2))[1].motion
    assert (motion.shape, motion.dtype) == ((48, 80, 2, 2), np.int16)
    assert not motion.flags.owndata
    assert not motion.flags.writeable
    assert np.abs(motion).max() < 4 * 320


def test_length_prefixed_packets():
    """As in MP4, where parameter sets are in hvcC."""
    stream = x265("repeat-headers=0", frames=6)
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        track = container.add_stream("libx265", rate=25)
        track.width, track.height, track.pix_fmt = 320, 192, "yuv420p"
        track.options = {"x265-params": "log-level=none:pools=1"}
        for luma in streams.scene(6):
            gray = luma.astype(np.uint8)
            picture = np.concatenate([gray, np.full((96, 320), 128, np.uint8)])
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
    file.seek(0)
    with av.open(file) as container:
        source = container.streams.video[0]
        extradata = bytes(source.codec_context.extradata)
        packets = [bytes(p) for p in container.demux(source) if p.size]
    assert extradata[0] == 1
    pictures = read(streams.Stream("hevc", packets, extradata))
    assert [(p.slices, p.unsupported) for p in pictures] == [(1, [])] * 6
    assert len(read(stream)) == 6


def test_what_cannot_be_read_is_named():
    for pixel_format, name in (("yuv422p", "4:2:2 chroma"), ("yuv444p", "4:4:4 chroma")):
        pictures = read(x265(pixel_format=pixel_format, frames=2))
        assert [p.unsupported for p in pictures] == [[name]] * 2
    reader = _bitstream.H265Reader()
    reader.configure(b"")
    pictures = reader.read(b"\0\0\1\x02\x01\xd0\0\0", 0)
    assert pictures[0].unsupported == ["missing parameter sets"]
    assert reader.read(b"", 1) == []


def test_a_parameter_set_that_cannot_be_read_ends_the_one_before_it():
    """The slices that need it would be read by what may no longer hold."""
    stream = x265("keyint=2:no-open-gop=1:bframes=0", frames=4)
    reader = _bitstream.H265Reader()
    reader.configure(stream.extradata)
    assert not reader.read(stream.packets[0], 0)[0].unsupported
    (picture,) = reader.read(b"\0\0\0\1\x44\x01\xc0" + stream.packets[1], 1)
    assert picture.unsupported == ["missing parameter sets"]
    assert not reader.read(stream.packets[2], 2)[0].unsupported


def test_grey_pictures_are_read():
    assert all(not p.unsupported for p in read(x265(pixel_format="gray", frames=3)))


def test_a_seek_starts_again_at_a_key_picture():
    stream = x265("keyint=4:no-open-gop=1:bframes=0")
    reader = _bitstream.H265Reader()
    reader.configure(stream.extradata)
    first = [p for i in range(8) for p in reader.read(stream.packets[i], i)]
    reader.reset()
    again = [p for i in range(4, 8) for p in reader.read(stream.packets[i], i)]
    assert again[0].key
    for a, b in zip(first[4:], again, strict=True):
        assert b.unsupported == []
        np.testing.assert_array_equal(a.motion, b.motion)
    reader.reset()
    lost = reader.read(stream.packets[5], 5)[0]
    assert "missing references" in lost.unsupported


def test_damage_is_said_and_survived():
    """Bytes changed, cut and swapped: pictures still come, and reading goes on."""
    stream = x265("keyint=4:slices=2", frames=8)
    draw = np.random.default_rng(0)
    damaged = 0
    for _ in range(60):
        reader = _bitstream.H265Reader()
        reader.configure(stream.extradata)
        for number, packet in enumerate(stream.packets):
            data = bytearray(packet)
            for at in draw.integers(0, len(data), 3):
                data[at] = draw.integers(256)
            if draw.random() < 0.3:
                del data[draw.integers(len(data)) :]
            for picture in reader.read(bytes(data), number):
                damaged += bool(picture.unsupported)
                assert picture.mode.shape == (picture.rows, picture.columns)
    assert damaged > 60


@pytest.mark.parametrize(
    "path", sorted((DATA / "h265-damaged").iterdir()), ids=lambda path: path.stem
)
def test_findings_of_the_fuzzer_stay_fixed(path):
    """Each once broke a bound; `native/fuzz` run on them with sanitizers proves that none does."""
    data = path.read_bytes()
    reader = _bitstream.H265Reader()
    reader.configure(data)
    for picture in reader.read(data, 0):
        assert picture.slices or picture.unsupported
