"""What the hub remembers is bounded by what there is."""

from __future__ import annotations

import numpy as np

from costream.serve.events.event import Event, EventMessage
from costream.serve.hub import Hub
from costream.serve.status import Score, WindowNews


def test_what_is_asked_no_more_leaves_no_curves_and_counts() -> None:
    hub = Hub()
    for question in ("fire", "smoke"):
        score = Score(question, 1.0, 0.5, 0.5)
        hub.publish(WindowNews("door", 0, 1.0, (score,), np.zeros((1, 1), np.float32), None, 1.0))
        event = Event("0" * 26, "door", question, "Is it?", None, 1.0, None, 0.5, 0.5)
        hub.publish(EventMessage("new", event, 1.0))
    hub.keep({("door", "fire"), ("hall", "smoke")})
    assert list(hub.curve("door")) == ["fire"]
    assert hub.event_counts() == {("door", "fire", "new"): 1}
