import json
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from costream.errors import SettingsError, SourceError
from costream.lab.inspect import PICTURE, Gop, find_gop, inspect_source
from costream.lab.synth import EncoderSettings, LiveCamera, SyntheticCamera, encode
from costream.pruning import PRUNERS, PatchGrid, PrunerSettings, change_rules
from costream.video import Stream, decoder
from costream.video.sample import TOLD
from tests.video.encode import encode as encode_pictures
from tests.video.encode import panning, still, texture

SETTINGS = EncoderSettings(gop=20, bframes=2)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    camera = SyntheticCamera(seed=2, width=320, height=180)
    frames = (camera.frame(index) for index in range(60, 160))
    return encode(frames, tmp_path_factory.mktemp("clips") / "hall.mp4", fps=25, settings=SETTINGS)


@pytest.fixture(scope="module")
def inspection(clip):
    return inspect_source(clip)


def test_the_stream_is_described(inspection):
    assert (inspection.codec, inspection.profile) == ("h264", "High")
    assert (inspection.width, inspection.height, inspection.rotation) == (320, 180, 0)
    assert inspection.frame_rate == pytest.approx(25)
    assert inspection.stated_rate == 25
    assert inspection.duration == pytest.approx(4)
    assert inspection.seconds == pytest.approx(3.96)
    assert inspection.motion in TOLD
    assert inspection.damaged == 0


def test_frames_are_counted_as_the_stream_gives_them(clip, inspection):
    records = list(Stream(clip).frames())
    types = [record.type for record in records]
    assert inspection.frames == 100
    assert inspection.frame_types == {letter: types.count(letter) for letter in "IPB"}
    assert inspection.with_vectors == 0.95
    sent = sum(record.packet_bytes for record in records[:-1])
    assert inspection.bit_rate == pytest.approx(8 * sent / 3.96)


def test_the_gop_is_found(inspection):
    assert inspection.gop.pattern == "I every 20, IBBPBBPBBPBB..."
    assert (inspection.gop.shortest, inspection.gop.median, inspection.gop.longest) == (20, 20, 20)


def test_every_pruner_is_measured_on_the_same_samples(inspection):
    assert inspection.samples == 8
    assert set(inspection.kept) == set(change_rules())
    assert inspection.kept["none"] == 1
    whole, drawn = 1 / 4, 3 / 4 * 39 / 196
    assert inspection.kept["random"] == pytest.approx(whole + drawn)
    assert whole < inspection.kept["last-kept"] < 0.6


def test_shares_equal_those_of_a_pruner_run_by_hand(clip):
    grid = PatchGrid(12, 20, 2)
    pruner = PRUNERS["last-kept"](grid, PrunerSettings(anchor_every=4))
    samples = list(Stream(clip).samples(3))
    masks = [pruner.decide(samples[start : start + 2]) for start in range(0, len(samples), 2)]
    found = inspect_source(clip, fps=3, grid=grid, anchor_every=4)
    assert found.kept["last-kept"] == pytest.approx(np.mean([mask.groups for mask in masks]))


def test_the_dict_is_json(inspection):
    again = json.loads(json.dumps(inspection.to_dict()))
    assert again["gop"]["shortest"] == 20
    assert again["kept"] == inspection.kept


def test_a_limit_ends_the_reading(clip):
    found = inspect_source(clip, limit=1.5)
    assert found.samples == 3
    assert found.frames <= 38
    assert found.seconds < 1.5


def test_a_live_camera_can_be_inspected():
    camera = SyntheticCamera(seed=2, width=160, height=96)
    with LiveCamera(camera, realtime=False) as live:
        found = inspect_source(live.file, limit=2)
    assert found.codec == "h264"
    assert found.samples == 4


def test_the_picture_shows_frame_motion_kept_groups_and_age(clip, tmp_path):
    found = inspect_source(clip, out=tmp_path / "new")
    assert found.picture == str(tmp_path / "new" / PICTURE)
    image = np.asarray(Image.open(found.picture).convert("RGB")).astype(int)
    top, bottom = np.array_split(image, 2)
    panels = [half for row in (top, bottom) for half in np.array_split(row[50:-50], 2, axis=1)]
    frame, motion, kept, age = (np.abs(np.diff(panel, axis=2)).mean() for panel in panels)
    assert frame > kept > 0.5  # kept groups have their colours, dropped ones none
    assert motion > 0.5
    assert age > 10  # all of it is tinted


def test_the_film_shows_every_temporal_patch(clip, tmp_path):
    found = inspect_source(clip, out=tmp_path)
    with Stream(found.film) as film:
        pictures = [sample.picture.rgb() for sample in film.samples(1)]
        assert film.info.codec == "h264"
    assert len(pictures) == found.samples / 2
    assert not np.allclose(pictures[0], pictures[-1], atol=8)


def test_a_codec_without_vectors_is_drawn_and_measured_too(tmp_path, monkeypatch):
    camera = SyntheticCamera(seed=2, width=160, height=96)
    frames = (camera.frame(index) for index in range(60, 130))
    clip = encode(frames, tmp_path / "x.mp4", fps=25, settings=EncoderSettings(codec="libx265"))
    monkeypatch.setattr(decoder, "open_reader", lambda codec, extradata: None)
    found = inspect_source(clip, out=tmp_path)
    assert found.motion == "none"
    assert found.with_vectors == 0
    assert found.kept["codecflow-v4"] == 1
    assert found.kept["last-kept"] < 1
    assert (tmp_path / PICTURE).stat().st_size > 10_000


@pytest.mark.parametrize(
    ("types", "gop"),
    [
        ("IPPIPPIPP", Gop("I every 3, IPP", 3, 3, 3)),
        ("IPPIPPIPPPPI", Gop("I every 3 to 5, IPP", 3, 3, 5)),
        ("I" + "P" * 30, Gop("1 I in 31, IPPPPPPPPPPP...", None, None, None)),
        ("IIII", Gop("I every 1, I", 1, 1, 1)),
        ("PPP", Gop("no I in 3, PPP", None, None, None)),
    ],
)
def test_gop_patterns(types, gop):
    assert find_gop(types) == gop


def test_a_limit_of_nothing_is_refused(clip):
    with pytest.raises(SettingsError, match="limit"):
        inspect_source(clip, limit=0)


def test_a_missing_source_is_an_error(tmp_path):
    with pytest.raises(SourceError):
        inspect_source(tmp_path / "nowhere.mp4")


def test_what_a_pruner_keeps_lies_where_it_is_shown(tmp_path):
    """Blocks are on the displayed picture, whose samples are square, as patches are."""
    pictures = [np.full((240, 320), 90, np.uint8) for _ in range(12)]
    for index, picture in enumerate(pictures):
        left = 40 + 4 * index
        picture[40:88, left : left + 48] = texture(48, 48, seed=4)
    plain, mirrored, wide = (
        kept_of(encode_pictures(tmp_path / f"{name}.mp4", pictures, b_frames=0, **shown))
        for name, shown in (
            ("plain", {}),
            ("mirrored", {"mirrored": True}),
            ("wide", {"mirrored": True, "aspect": Fraction(2)}),
        )
    )
    assert 0 < plain.mean() < 0.2
    assert (mirrored == plain[:, ::-1]).all()
    # Sideways, the same vector is twice as many pixels.
    assert (wide >= mirrored).all() and wide.sum() < 1.2 * mirrored.sum()


def kept_of(path):
    """Groups kept at the seventh frame."""
    pruner = PRUNERS["codecflow-v4"](PatchGrid(24, 64, 2), PrunerSettings(anchor_every=99))
    with Stream(path) as stream:
        masks = [pruner.decide([sample]) for sample in stream.samples(25)]
    return masks[6].groups


def test_inspection_of_a_stretched_and_mirrored_source(tmp_path):
    path = encode_pictures(tmp_path / "a.mp4", panning(9), aspect=Fraction(12, 11), mirrored=True)
    inspection = inspect_source(path, fps=5, out=tmp_path)
    assert (inspection.width, inspection.height) == (349, 240)
    assert (inspection.mirrored, inspection.sample_aspect) == (True, "12:11")
    assert json.loads(json.dumps(inspection.to_dict()))["sample_aspect"] == "12:11"


@pytest.mark.parametrize("size", [(16, 1600), (1600, 16)])
def test_long_pictures_are_drawn(tmp_path, size):
    path = encode_pictures(tmp_path / "a.mp4", still(5, size))
    assert inspect_source(path, fps=5, out=tmp_path).frames == 5
    with Image.open(tmp_path / "inspect.png") as picture:
        assert max(picture.size) < 3000
