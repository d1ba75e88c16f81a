"""A coded picture is decoded once and displayed once, in whatever order it is asked."""

import pytest

from costream.errors import IntegrityError
from costream.video import Stream
from tests.video.encode import encode, panning

PAN = panning(12, size=(64, 96))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return encode(tmp_path_factory.mktemp("units") / "x.mp4", PAN, gop=6, options={"bf": "0"})


@pytest.fixture
def decoder(path):
    stream = Stream(path, decode="all")
    stream._open_part()
    yield stream._decoder
    stream.close()


def test_shown_passed_and_skipped_frames_are_all_frames(decoder):
    records, held = [], []
    for number, unit in enumerate(decoder.units()):
        if unit is None:
            assert not decoder.drain()
        elif number % 3 == 1:
            held.append(unit)
            unit.omitted = "still"
            records.append(unit.pass_over().record)
        elif number % 3 == 2:
            unit.omitted = "unreferenced"
            unit.skip()
        else:
            (picture,) = unit.decode("change")
            assert picture.unit is unit and picture.is_wanted
            records.append(picture.show().record)
    assert [record.index for record in records] == [0, 1, 3, 4, 6, 7, 9, 10]
    assert decoder.health.decoding.to_dict() == {"change": 4, "still": 4, "unreferenced": 4}
    # What is decoded after it was passed is no frame that was not decoded.
    held[2].decode("audit", restart=True)
    assert decoder.health.decoding.to_dict() == {
        "change": 4,
        "audit": 1,
        "still": 3,
        "unreferenced": 4,
    }


def test_what_was_displayed_is_not_displayed_again(decoder):
    units = decoder.units()
    first, second = next(units), next(units)
    (picture,) = first.decode()
    picture.show()
    first.omitted = "still"
    for again in (picture.show, first.pass_over, first.skip):
        with pytest.raises(IntegrityError):
            again()
    with pytest.raises(IntegrityError):
        second.pass_over()  # nobody decided that its picture is left out
    second.omitted = "still"
    second.skip()
    (late,) = second.decode()
    assert not late.is_wanted
    with pytest.raises(IntegrityError):
        late.show()


def test_only_a_random_access_point_is_decoded_again(decoder):
    first = next(decoder.units())
    first.decode()
    with pytest.raises(IntegrityError):
        first.decode()
    assert len(first.decode("audit", restart=True)) == 1
    assert decoder.health.decoding.decoded == 1
