"""What a person can do, and how the body is held while doing it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from math import hypot, pi, sin

from costream.lab.synth.figure import Pose
from costream.lab.synth.truth import Action
from costream.lab.synth.visit import STEP

Spot = tuple[float, float]
"""Position on the floor: metres right of the camera's axis, metres ahead of the camera."""

LEG = 1.05
"""Metres a step of somebody who runs."""


@dataclass(frozen=True, slots=True)
class Act:
    """A stretch of time in which a person does one thing.

    Attributes:
        action: what it is; its name picks the pose.
        start: when it begins, in seconds.
        end: when it is over.
        come: where it begins.
        go: where it ends.
        facing: 1 to the right, -1 to the left.
        blend: seconds in which the body passes over from the act before.
        phase: shifts all that repeats, so that no two persons move alike.
        stretch: of somebody who sits: 1 on the floor, legs ahead; 0 on a seat.
    """

    action: Action
    start: float
    end: float
    come: Spot
    go: Spot
    facing: int
    blend: float = 0.35
    phase: float = 0.0
    stretch: float = 0.0

    def spot(self, time: float) -> Spot:
        """Where the person is at a time."""
        share = min(max((time - self.start) / max(self.end - self.start, 1e-6), 0.0), 1.0)
        x = self.come[0] + share * (self.go[0] - self.come[0])
        sway = 0.14 * sin(7.1 * time + self.phase) if self.action == "fight" else 0.0
        return x + self.facing * sway, self.come[1] + share * (self.go[1] - self.come[1])

    def way(self, time: float) -> float:
        """Metres gone since the act began."""
        spot = self.spot(time)
        return hypot(spot[0] - self.come[0], spot[1] - self.come[1])

    def pose(self, time: float) -> Pose:
        """How the body is held, once it has passed over from the act before."""
        return POSES[self.action](self, time)


def blend_poses(before: Pose, after: Pose, share: float) -> Pose:
    """The pose ``share`` of the way from one to another; it faces and steps as the latter."""
    if share >= 1.0:
        return after
    mixed = {
        field.name: getattr(before, field.name)
        + share * (getattr(after, field.name) - getattr(before, field.name))
        for field in fields(Pose)
        if field.name not in ("facing", "gait")
    }
    return replace(after, **mixed)


def _walk(act: Act, time: float) -> Pose:
    return Pose(act.facing, pi * act.way(time) / STEP + act.phase, 1.0, 0.0)


def _run(act: Act, time: float) -> Pose:
    gait = pi * act.way(time) / LEG + act.phase
    swing = 1.0 * sin(gait)
    return Pose(
        act.facing, gait, 1.75, 0.0, lean=0.22, near=0.2 - swing, far=0.2 + swing,
        hold_near=1.0, hold_far=1.0, elbow=1.5,
    )  # fmt: skip


def _flee(act: Act, time: float) -> Pose:
    wave = 0.35 * sin(9 * time + act.phase)
    return replace(_run(act, time), near=2.75 + wave, far=2.45 - wave, elbow=0.3, lean=0.3)


def _carry(act: Act, time: float) -> Pose:
    return replace(_walk(act, time), near=0.06, hold_near=1.0, elbow=0.05)


def _stand(act: Act, time: float) -> Pose:
    sway = 0.02 * sin(0.8 * time + act.phase)
    return Pose(act.facing, 0.0, 0.0, 0.0, lean=sway, near=0.05, far=0.05, hold_far=0.5)


def _talk(act: Act, time: float) -> Pose:
    lift = 0.75 + 0.25 * sin(2.6 * time + act.phase)
    turn = 0.5 + 0.5 * sin(0.9 * time + 2 * act.phase)
    return replace(_stand(act, time), near=0.5 * lift, hold_near=turn, elbow=1.1)


def _sit(act: Act, time: float) -> Pose:
    breath = 0.03 * sin(0.7 * time + act.phase)
    return Pose(
        act.facing, 0.0, 0.0, 0.0, sit=1.0, stretch=act.stretch, lean=breath - 0.08, near=0.55,
        far=0.5, hold_near=1.0, hold_far=1.0, elbow=0.7,
    )  # fmt: skip


def _kneel(act: Act, time: float) -> Pose:
    fumble = 0.1 * sin(5 * time + act.phase)
    return Pose(
        act.facing, 0.0, 0.0, 0.0, kneel=1.0, lean=0.75, near=0.55 + fumble, far=0.6 - fumble,
        hold_near=1.0, hold_far=1.0, elbow=0.2,
    )  # fmt: skip


def _stoop(act: Act, time: float) -> Pose:
    del time
    return Pose(
        act.facing, 0.0, 0.35, 0.0, lean=1.15, near=0.3, far=0.9, hold_near=1.0, hold_far=1.0
    )


def _reach(act: Act, time: float) -> Pose:
    sway = 0.06 * sin(2.2 * time + act.phase)
    return Pose(
        act.facing, 0.0, 0.0, 0.0, lean=0.12, near=1.45 + sway, far=1.2, hold_near=1.0, hold_far=1.0
    )


def _lie(act: Act, time: float) -> Pose:
    del time
    return Pose(act.facing, 0.0, 0.0, 1.0)


def _hug(act: Act, time: float) -> Pose:
    rock = 0.03 * sin(1.2 * time + act.phase)
    return Pose(
        act.facing, 0.0, 0.0, 0.0, lean=0.1 + rock, near=1.15, far=1.45, hold_near=1.0,
        hold_far=1.0, elbow=0.75,
    )  # fmt: skip


def _shake(act: Act, time: float) -> Pose:
    pump = 0.08 * sin(9 * time)
    return Pose(
        act.facing, 0.0, 0.0, 0.0, lean=0.06, near=0.75 + pump, hold_near=1.0, far=0.05,
        hold_far=0.5, elbow=0.5,
    )  # fmt: skip


def _fight(act: Act, time: float) -> Pose:
    beat = 2 * pi * 1.7 * time + act.phase
    near, far = 0.5 + 0.5 * sin(beat), 0.5 - 0.5 * sin(beat)
    lunge = sin(0.37 * beat + 0.5)
    return Pose(
        act.facing, pi / 2 + 0.3 * sin(0.5 * beat), 0.95 + 0.25 * lunge, 0.0,
        lean=0.18 + 0.42 * lunge, near=0.7 + 1.2 * near, far=0.7 + 1.5 * far,
        hold_near=1.0, hold_far=1.0, elbow=1.9 * (1 - max(near, far)) + 0.1,
    )  # fmt: skip


POSES: dict[Action, Callable[[Act, float], Pose]] = {
    "walk": _walk,
    "run": _run,
    "flee": _flee,
    "carry": _carry,
    "stand": _stand,
    "talk": _talk,
    "sit": _sit,
    "kneel": _kneel,
    "stoop": _stoop,
    "reach": _reach,
    "lie": _lie,
    "hug": _hug,
    "shake": _shake,
    "fight": _fight,
}
"""The pose of every action of a person."""
