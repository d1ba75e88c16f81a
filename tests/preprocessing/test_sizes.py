from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

from costream.errors import SettingsError
from costream.preprocessing.sizes import MAX_SHAPE, fit, fit_frame, nearest_multiple

TOOL = [
    # What qwen_vl_utils 0.0.14 makes of a source: factor, frames, source, frame.
    (28, 80, (1920, 1080), (1008, 560)),
    (28, 640, (1920, 1080), (700, 392)),
    (28, 80, (3840, 2160), (1008, 560)),
    (28, 80, (1080, 1920), (560, 1008)),
    (28, 80, (640, 360), (644, 364)),
    (28, 80, (176, 144), (364, 308)),
    (32, 80, (1920, 1080), (1152, 640)),
    (32, 640, (1920, 1080), (800, 448)),
    (32, 768, (1920, 1080), (736, 384)),
    (32, 2, (1280, 720), (1152, 640)),
    (32, 80, (704, 576), (704, 576)),
    (32, 80, (640, 360), (640, 352)),
    (32, 80, (320, 240), (448, 320)),
]


@pytest.mark.parametrize(("factor", "frames", "source", "frame"), TOOL)
def test_frames_are_resized_as_by_the_family_s_video_tools(
    factor: int, frames: int, source: tuple[int, int], frame: tuple[int, int]
) -> None:
    assert fit(*source, frames, factor) == frame


@pytest.mark.parametrize("factor", [28, 32])
@pytest.mark.parametrize("frames", [1, 16, 80, 700, 100_000])
@pytest.mark.parametrize("size", [(1920, 1080), (640, 480), (321, 243), (20, 300), (9000, 64)])
def test_fitted_sizes_keep_to_the_budget(size: tuple[int, int], frames: int, factor: int) -> None:
    width, height = fit(*size, frames, factor)
    assert width % factor == height % factor == 0
    tokens = width * height // factor**2
    # Rounding up from below may pass the lower bound by a row and a column.
    assert 100 <= tokens <= 768
    assert tokens * frames / 2 <= 115_200 or tokens <= 134 + (width + height) // factor


def test_a_picture_too_narrow_for_the_rule_is_one_sentence() -> None:
    with pytest.raises(SettingsError, match=r"2100x10 is too narrow .*: choose a frame size"):
        fit(2100, 10, 8, 32)


@pytest.mark.parametrize(
    ("size", "factor", "expected"),
    [((224, 224), 32, (224, 224)), ((224, 200), 28, (224, 196)), ((5, 90), 32, (32, 96))],
)
def test_the_nearest_size_is_of_whole_groups(
    size: tuple[int, int], factor: int, expected: tuple[int, int]
) -> None:
    assert nearest_multiple(size, factor) == expected


side = st.integers(1, 5000)


@given(width=side, height=side, factor=st.sampled_from([28, 32]), tokens=st.integers(1, 2000))
def test_sizes_are_those_of_the_published_rule(
    width: int, height: int, factor: int, tokens: int
) -> None:
    bounds = tokens * factor**2, (2 * tokens + 1) * factor**2
    if max(width, height) > MAX_SHAPE * min(width, height):
        with pytest.raises(SettingsError, match="choose a frame size"):
            fit_frame(width, height, factor, *bounds)
        return
    published = smart_resize(
        height, width, factor=factor, min_pixels=bounds[0], max_pixels=bounds[1]
    )
    assert fit_frame(width, height, factor, *bounds) == published[::-1]
