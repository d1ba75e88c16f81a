"""A person with a part to play: acts, one after the other."""

from __future__ import annotations

from bisect import bisect_right
from math import hypot
from typing import Literal

from costream.lab.synth.act import Act, Spot, blend_poses
from costream.lab.synth.figure import Look, Pose
from costream.lab.synth.truth import Action
from costream.lab.synth.visit import FALL, RISE

Gait = Literal["walk", "run", "flee", "carry"]


class Person:
    """Somebody whose acts are appended in order; each begins where and when the one before ends.

    Args:
        number: the actor's number, unique within a world.
        look: what the person looks like.
        start: when the person appears, in seconds; may be before the first frame.
        spot: where.
        facing: 1 to the right, -1 to the left.
        phase: shifts all that repeats.
    """

    def __init__(
        self, number: int, look: Look, start: float, spot: Spot, facing: int, phase: float
    ) -> None:
        self.number, self.look, self.start, self.end = number, look, start, start
        self.spot, self.facing = spot, facing
        self._phase = phase
        self._acts: list[Act] = []
        self._starts: list[float] = []

    def go(self, to: Spot, speed: float, gait: Gait = "walk") -> Person:
        """Goes straight to a spot at ``speed`` metres a second."""
        way = hypot(to[0] - self.spot[0], to[1] - self.spot[1])
        if abs(to[0] - self.spot[0]) > 0.05:
            self.facing = 1 if to[0] > self.spot[0] else -1
        return self._add(gait, way / speed, to)

    def turn(self, facing: int) -> Person:
        """Faces the other way from now on."""
        self.facing = facing
        return self

    def do(
        self, action: Action, seconds: float, *, drift: float = 0.0, blend: float = 0.35
    ) -> Person:
        """Does something for a while, on the spot or drifting sideways by some metres."""
        return self._add(action, seconds, (self.spot[0] + drift, self.spot[1]), blend)

    def sit(self, seconds: float, *, floor: bool = False) -> Person:
        """Sits down on a seat, or on the floor."""
        return self._add("sit", seconds, self.spot, 0.8, 1.0 if floor else 0.0)

    def fall(self, seconds: float) -> Person:
        """Topples and stays down, ``seconds`` altogether."""
        return self._add("lie", seconds, self.spot, FALL)

    def rise(self) -> Person:
        """Gets up from the floor."""
        return self._add("stand", RISE + 0.6, self.spot, RISE)

    def at(self, time: float) -> tuple[Spot, Pose, Action] | None:
        """Returns spot, pose and action at a time, or None before and after the part."""
        if not self.start <= time < self.end:
            return None
        index = max(0, bisect_right(self._starts, time) - 1)
        act = self._acts[index]
        pose = act.pose(time)
        passed = time - act.start
        if index and passed < act.blend:
            share = passed / act.blend
            # A body topples slowly at first and then ever faster; all else begins and ends softly.
            eased = share**2 if act.action == "lie" else share**2 * (3 - 2 * share)
            pose = blend_poses(self._acts[index - 1].pose(time), pose, eased)
        return act.spot(time), pose, act.action

    def _add(
        self, action: Action, seconds: float, to: Spot, blend: float = 0.35, stretch: float = 0.0
    ) -> Person:
        end = self.end + seconds
        act = Act(action, self.end, end, self.spot, to, self.facing, blend, self._phase, stretch)
        self._acts.append(act)
        self._starts.append(self.end)
        self.end, self.spot = end, to
        return self
