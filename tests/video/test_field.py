"""Motion gathered many frames at a time equals motion gathered vector by vector."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costream.video import batch
from costream.video.field import MotionField
from costream.video.references import Span
from costream.video.sample import grid
from costream.video.vectors import FrameVectors
from tests.video.test_motion import vector_array

ROWS, COLS = 3, 4

components = st.one_of(st.just(0), st.integers(-70, 70))
vectors = st.tuples(
    st.sampled_from([-1, 1]),
    st.sampled_from([8, 16]),
    st.sampled_from([8, 16]),
    # One block beyond either side of the picture.
    st.integers(0, 16 * (COLS + 1) - 1),
    st.integers(0, 16 * (ROWS + 1) - 1),
    components,
    components,
)
spans = st.builds(Span, st.floats(0.05, 2), st.floats(0.05, 2))
frames = st.lists(st.one_of(st.none(), st.tuples(st.lists(vectors, max_size=12), spans)))


class Loop:
    """The same sums, one vector after the other."""

    def __init__(self):
        self.peak = np.zeros((ROWS, COLS))
        self.drift = np.zeros((ROWS, COLS, 2))
        self.path = np.zeros((ROWS, COLS))
        self.active = np.zeros((ROWS, COLS))
        self.intra = np.zeros((ROWS, COLS), bool)

    def add(self, rows, span):
        blocks = defaultdict(list)
        for source, w, h, x, y, *motion in rows:
            factor = -span.past if source < 0 else span.future
            blocks[y // 16, x // 16].append((w * h, factor * np.array(motion) / 4))
        for at in np.ndindex(ROWS, COLS):
            self.add_block(at, blocks[at])

    def add_block(self, at, block):
        moving = [(area, motion) for area, motion in block if motion.any()]
        self.intra[at] |= not block
        self.active[at] += bool(moving or not block)
        if moving:
            covered = max(sum(area for area, _ in moving), 256)
            self.drift[at] += sum(area * motion for area, motion in moving) / covered
            self.path[at] += sum(area * np.hypot(*motion) for area, motion in moving) / covered
            self.peak[at] = max(self.peak[at], *(np.hypot(*motion) for _, motion in moving))


def gathered(given_frames):
    field, loop = MotionField(ROWS, COLS), Loop()
    for each in given_frames:
        if each is None:
            field.add_unpredicted()
            loop.add([], Span(1, 1))
        else:
            field.add(FrameVectors(vector_array(each[0]), each[1]))
            loop.add(*each)
    return field, loop


@given(frames, st.integers(1, 40), st.integers(1, 5))
def test_equals_a_loop_over_vectors(given_frames, room, most):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch, "VECTORS", room)
        patch.setattr(batch, "FRAMES", most)
        field, loop = gathered(given_frames)
        assert field.peak() == pytest.approx(loop.peak, rel=1e-5)
        assert field.drift() == pytest.approx(loop.drift, rel=1e-5, abs=1e-4)
        assert field.path() == pytest.approx(loop.path, rel=1e-5, abs=1e-4)
        assert field.activity() == pytest.approx(loop.active / max(len(given_frames), 1))
        assert (field.intra() == loop.intra).all()


def test_starts_anew():
    field, _ = gathered([([(-1, 16, 16, 8, 8, 4, 4)], Span(1, 1)), None])
    assert field.peak().any()
    field.add(FrameVectors(vector_array([(-1, 16, 16, 8, 8, 4, 4)]), Span(1, 1)))
    field.clear()
    for each in (field.peak(), field.drift(), field.path(), field.activity(), field.intra()):
        assert not each.any()


def test_what_was_given_out_stays():
    field, _ = gathered([([(-1, 16, 16, 8, 8, 4, 4)], Span(1, 1))])
    before = field.intra()
    field.clear()
    assert before.any()


def test_memory_does_not_grow_with_the_interval():
    field = MotionField(*grid(64, 64))
    still = FrameVectors(vector_array([(-1, 16, 16, 8, 8, 0, 0)]), Span(1, 1))
    for _ in range(5 * batch.FRAMES):
        field.add(still)
        assert field._batch.frames <= batch.FRAMES
