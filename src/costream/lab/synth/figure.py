"""A person: a body of rounded limbs in a pose, and how it is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np
import numpy.typing as npt

Colour = tuple[int, int, int]
Canvas = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Look:
    """What a person looks like; ``tall`` in metres."""

    tall: float
    skin: Colour
    hair: Colour
    top: Colour
    trousers: Colour
    shoes: Colour


@dataclass(frozen=True, slots=True)
class Pose:
    """How a person holds the body.

    Attributes:
        facing: 1 to the right, -1 to the left.
        gait: phase of the step, in radians; two steps are one turn.
        stride: 0 standing to 1 walking.
        tilt: 0 upright to 1 lying on the floor.
        sit: 0 standing to 1 sitting, thighs level.
        stretch: 0 feet on the floor below the knees to 1 legs stretched out ahead, while sitting.
        kneel: 0 standing to 1 on one knee.
        lean: forward bend of the trunk, in radians.
        near: angle of the near arm from hanging, forward, in radians, where it is held.
        far: that of the far arm.
        hold_near: 0 where the near arm swings with the gait, 1 where it is held at ``near``.
        hold_far: that of the far arm.
        elbow: bend of the elbows of held arms, in radians.
    """

    facing: int
    gait: float
    stride: float
    tilt: float
    sit: float = 0.0
    stretch: float = 0.0
    kneel: float = 0.0
    lean: float = 0.0
    near: float = 0.0
    far: float = 0.0
    hold_near: float = 0.0
    hold_far: float = 0.0
    elbow: float = 0.0


@dataclass(frozen=True, slots=True)
class Limb:
    """A tapered capsule, in metres from the point between the feet: x to the right, y up."""

    start: tuple[float, float]
    end: tuple[float, float]
    radii: tuple[float, float]
    colour: Colour


def build_limbs(look: Look, pose: Pose) -> list[Limb]:
    """Returns the limbs of a posed body, the rearmost first, its lowest point on the floor."""
    hip, upright = (0.0, 0.5), (0.025 + 0.02 * pose.stride, 0.8)
    shoulder = _bend(upright, pose.lean)
    far, near = pose.gait + pi, pose.gait
    parts = [
        *_arm(shoulder, far, pose, look, 0.78),
        *_leg(hip, far, pose, look, 0.78),
        *_leg(hip, near, pose, look, 1.0),
        Limb((0.0, 0.525), shoulder, (0.072, 0.084), look.top),
        *_head(upright, pose.lean, look),
        *_arm(shoulder, near, pose, look, 0.92),
    ]
    return _ground([_place(part, look.tall, pose) for part in parts])


def draw_limbs(
    canvas: Canvas, limbs: list[Limb], foot: tuple[float, float], scale: float, light: float
) -> None:
    """Draws limbs onto ``canvas`` (float32 [height, width, 3], 0..255), in place.

    Args:
        canvas: the picture.
        limbs: what to draw, the rearmost first.
        foot: column and row of the point between the feet.
        scale: pixels a metre.
        light: brightness of the colours, 1 as they are.
    """
    for limb in limbs:
        _draw_limb(canvas, limb, foot, scale, light)


def draw_shadow(canvas: Canvas, limbs: list[Limb], foot: tuple[float, float], scale: float) -> None:
    """Darkens the floor under the limbs, in place."""
    left, _, right, _ = extent(limbs)
    column, row = foot[0] + scale * (left + right) / 2, foot[1]
    wide, tall = scale * (0.12 + (right - left) / 2), scale * 0.11
    rows, cols = _window(canvas, column - wide, row - tall, column + wide, row + tall)
    y, x = np.ogrid[rows, cols]
    far = ((x + 0.5 - column) / wide) ** 2 + ((y + 0.5 - row) / tall) ** 2
    canvas[rows, cols] *= (1 - 0.5 * np.clip(1 - far, 0, 1)).astype(np.float32)[..., None]


def shaded(colour: Colour, share: float) -> Colour:
    """A colour ``share`` times as bright."""
    red, green, blue = (min(255, round(value * share)) for value in colour)
    return red, green, blue


def hand_of(limbs: list[Limb]) -> tuple[float, float]:
    """The near hand of a built body, in metres from the feet."""
    return limbs[-3].start


def extent(limbs: list[Limb]) -> tuple[float, float, float, float]:
    """Left, low, right and high edge of the limbs, in metres from the feet."""
    ends = [
        (point, radius)
        for limb in limbs
        for point, radius in zip((limb.start, limb.end), limb.radii, strict=True)
    ]
    return (
        min(point[0] - radius for point, radius in ends),
        min(point[1] - radius for point, radius in ends),
        max(point[0] + radius for point, radius in ends),
        max(point[1] + radius for point, radius in ends),
    )


def _leg(
    hip: tuple[float, float], phase: float, pose: Pose, look: Look, shade: float
) -> list[Limb]:
    bent = pose.tilt * (0.3 if shade < 1 else 0.05)
    thigh = 0.44 * pose.stride * sin(phase) + bent
    shin = thigh - 0.9 * pose.stride * max(0.0, cos(phase)) - 0.06 - 2 * bent
    thigh += pose.sit * (1.5 - thigh)
    shin += pose.sit * (1.45 * pose.stretch - shin)
    knee_up, knee_back = (0.15, -1.45) if shade < 1 else (1.5, 0.05)
    thigh += pose.kneel * (knee_up - thigh)
    shin += pose.kneel * (knee_back - shin)
    knee = _swing(hip, thigh, 0.235)
    ankle = _swing(knee, shin, 0.225)
    toe = (ankle[0] + 0.085 * cos(shin), ankle[1] + 0.085 * sin(shin) - 0.012)
    trousers, shoes = shaded(look.trousers, shade), shaded(look.shoes, shade)
    return [
        Limb(ankle, toe, (0.024, 0.02), shoes),
        Limb(knee, ankle, (0.042, 0.029), trousers),
        Limb(hip, knee, (0.062, 0.044), trousers),
    ]


def _arm(
    shoulder: tuple[float, float], phase: float, pose: Pose, look: Look, shade: float
) -> list[Limb]:
    raised = pose.tilt * (2.5 if shade < 0.8 else 0.1)
    upper = -0.46 * pose.stride * sin(phase) + 0.04 * sin(phase / 3) + raised
    fore = upper + 0.18 + 0.35 * pose.stride
    held, hold = (pose.near, pose.hold_near) if shade > 0.8 else (pose.far, pose.hold_far)
    upper += hold * (held - upper)
    fore += hold * (held + pose.elbow - fore)
    elbow = _swing(shoulder, upper, 0.165)
    hand = _swing(elbow, fore, 0.145)
    return [
        Limb(hand, hand, (0.025, 0.025), shaded(look.skin, shade)),
        Limb(elbow, hand, (0.03, 0.024), shaded(look.top, shade)),
        Limb(shoulder, elbow, (0.042, 0.032), shaded(look.top, shade)),
    ]


def _head(shoulder: tuple[float, float], lean: float, look: Look) -> list[Limb]:
    x, y = shoulder
    upright = [
        Limb((x, y + 0.04), (x + 0.005, y + 0.09), (0.034, 0.032), shaded(look.skin, 0.85)),
        Limb((x + 0.012, y + 0.132), (x + 0.02, y + 0.108), (0.054, 0.046), look.skin),
        Limb((x - 0.012, y + 0.15), (x + 0.018, y + 0.163), (0.052, 0.042), look.hair),
    ]
    return [
        Limb(_bend(part.start, lean), _bend(part.end, lean), part.radii, part.colour)
        for part in upright
    ]


def _bend(point: tuple[float, float], lean: float) -> tuple[float, float]:
    """Where a point of the upright trunk is once the trunk bends forward at the hip."""
    x, y = point[0], point[1] - 0.5
    return x * cos(lean) + y * sin(lean), 0.5 + y * cos(lean) - x * sin(lean)


def _swing(start: tuple[float, float], angle: float, length: float) -> tuple[float, float]:
    """The end of a limb that hangs from ``start``, swung forward by ``angle``."""
    return start[0] + length * sin(angle), start[1] - length * cos(angle)


def _place(part: Limb, tall: float, pose: Pose) -> Limb:
    turn = pose.tilt * 0.49 * pi

    def turned(point: tuple[float, float]) -> tuple[float, float]:
        x = point[0] * cos(turn) + point[1] * sin(turn)
        y = point[1] * cos(turn) - point[0] * sin(turn)
        return pose.facing * tall * x, tall * y

    radii = (part.radii[0] * tall, part.radii[1] * tall)
    return Limb(turned(part.start), turned(part.end), radii, part.colour)


def _ground(limbs: list[Limb]) -> list[Limb]:
    low = extent(limbs)[1]
    return [
        Limb((one.start[0], one.start[1] - low), (one.end[0], one.end[1] - low), one.radii,
             one.colour)
        for one in limbs
    ]  # fmt: skip


def _window(
    canvas: Canvas, left: float, top: float, right: float, bottom: float
) -> tuple[slice, slice]:
    """Rows and columns of the canvas within a rectangle given in pixels."""
    height, width = canvas.shape[:2]
    rows = slice(min(max(int(top), 0), height), min(max(int(bottom) + 2, 0), height))
    cols = slice(min(max(int(left), 0), width), min(max(int(right) + 2, 0), width))
    return rows, cols


def _draw_limb(
    canvas: Canvas, limb: Limb, foot: tuple[float, float], scale: float, light: float
) -> None:
    ax, ay = foot[0] + scale * limb.start[0], foot[1] - scale * limb.start[1]
    bx, by = foot[0] + scale * limb.end[0], foot[1] - scale * limb.end[1]
    first, last = (scale * radius for radius in limb.radii)
    reach = max(first, last) + 1
    rows, cols = _window(
        canvas, min(ax, bx) - reach, min(ay, by) - reach, max(ax, bx) + reach, max(ay, by) + reach
    )
    y, x = np.ogrid[rows, cols]
    x, y = (x + (0.5 - ax)).astype(np.float32), (y + (0.5 - ay)).astype(np.float32)
    dx, dy = bx - ax, by - ay
    along = np.clip((x * dx + y * dy) / max(dx * dx + dy * dy, 1e-6), 0, 1)
    radius = first + (last - first) * along
    off_x, off_y = x - along * dx, y - along * dy
    distance = np.sqrt(off_x * off_x + off_y * off_y)
    alpha = np.clip(radius - distance + 0.5, 0, 1)[..., None]
    # Rounded look: lit from the upper left, darker towards the far edge.
    shade = light * (0.9 - 0.2 * (off_x * 0.6 + off_y * 0.8) / radius)[..., None]
    under = canvas[rows, cols]
    under += alpha * (shade * np.array(limb.colour, np.float32) - under)
