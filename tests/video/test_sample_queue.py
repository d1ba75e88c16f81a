import threading
import time

import pytest

from costream.errors import SourceError
from costream.video import Gap
from costream.video.sample_queue import Arrival, SampleQueue
from tests.fakes import noise_pictures, samples_of

SAMPLES = samples_of(noise_pictures(1) * 12)


def filled(limit, count):
    queue = SampleQueue(limit)
    for sample in SAMPLES[:count]:
        queue.put(Arrival(sample, (), 0.0))
    return queue


def drained(queue):
    queue.end()
    items = []
    while (item := queue.take()) is not None:
        items.append(item if isinstance(item, Gap) else item.sample.tick)
    return items


def test_what_fits_is_given_in_order():
    assert drained(filled(4, 4)) == [0, 1, 2, 3]


def test_the_oldest_are_skipped_counted_and_told_of_once():
    first, *rest = drained(filled(4, 9))
    assert first == Gap("skipped", 0.0, 2.5, first.cause, frames=5)
    assert rest == [5, 6, 7, 8]


def test_skipping_goes_on_after_it_was_told():
    queue = filled(2, 3)
    assert isinstance(queue.take(), Gap)
    assert queue.take().sample.tick == 1
    for sample in SAMPLES[3:6]:
        queue.put(Arrival(sample, (), 0.0))
    assert [i if isinstance(i, int) else i.frames for i in drained(queue)] == [2, 4, 5]


def test_news_keeps_its_place_and_is_never_skipped():
    lost = Gap("lost", 0.0, None, "no data")
    queue = filled(2, 1)
    queue.tell(lost)
    for sample in SAMPLES[1:4]:
        queue.put(Arrival(sample, (), 0.0))
    first, second, *rest = drained(queue)
    assert first is lost
    assert (second.start, second.end, second.frames) == (0.0, 1.0, 2)
    assert rest == [2, 3]
    queue = filled(4, 1)
    queue.tell(lost)
    queue.put(Arrival(SAMPLES[1], (), 0.0))
    assert drained(queue) == [0, lost, 1]


def test_an_error_comes_after_what_was_put_before_it():
    queue = filled(4, 1)
    queue.end(SourceError("gone"))
    assert queue.take().sample.tick == 0
    with pytest.raises(SourceError, match="gone"):
        queue.take()


def test_taking_waits_for_what_is_put():
    queue = SampleQueue(2)
    putting = threading.Timer(0.1, lambda: queue.put(Arrival(SAMPLES[0], (), 0.0)))
    putting.start()
    begun = time.monotonic()
    assert queue.take().sample.tick == 0
    assert time.monotonic() - begun >= 0.09
