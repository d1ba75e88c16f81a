"""What of a stream's picture is never seen, and what of it can be asked about. Without torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from costream.errors import SettingsError
from costream.preprocessing import FrameGeometry, Preprocessing
from costream.pruning import PrunerSettings
from costream.video import PictureMask, Polygon, checked_polygon

Mask = npt.NDArray[np.bool_]

Corners = Iterable[Sequence[float]]

EVERYBODY = -1
"""Audience of a key that every question sees: all bits."""

WHOLE = 1
"""The bit of questions about the whole picture."""


@dataclass(frozen=True)
class StreamView:
    """Masks and zones of one stream: polygons in shares of the picture as it is displayed.

    Attributes:
        masks: what no model sees, whatever happens there.
        zones: what questions can be asked about, by name.

    Raises:
        SettingsError: a polygon has fewer than three corners, no area, or leaves the picture.
    """

    masks: tuple[Polygon, ...] = ()
    zones: Mapping[str, Polygon] = field(default_factory=dict)

    def __post_init__(self) -> None:
        masks = tuple(checked_polygon(mask, f"mask {n}") for n, mask in enumerate(self.masks, 1))
        zones = {name: checked_polygon(zone, f"zone {name!r}") for name, zone in self.zones.items()}
        object.__setattr__(self, "masks", masks)
        object.__setattr__(self, "zones", zones)

    def on(self, preprocessing: Preprocessing, geometry: FrameGeometry) -> GridView:
        """Returns it on the merge groups of a stream: every group that a polygon touches is in it.

        Raises:
            SettingsError: masks leave nothing of the picture, or of a zone.
        """
        masked = np.zeros(geometry.grid.groups, np.bool_)
        for mask in self.masks:
            masked |= preprocessing.touched(mask, geometry)
        if masked.all():
            raise SettingsError("masks cover the whole picture: leave something to watch")
        zones = {
            name: preprocessing.touched(zone, geometry) & ~masked
            for name, zone in self.zones.items()
        }
        for name, zone in zones.items():
            if not zone.any():
                raise SettingsError(
                    f"zone {name!r} lies behind masks as a whole: move it, or ask of the picture"
                )
        return GridView(self.masks, masked, zones)


@dataclass(frozen=True)
class GridView:
    """Masks and zones of one stream on its merge groups.

    Attributes:
        masks: the masks as polygons.
        masked: bool [groups], those that are never encoded.
        zones: bool [groups], those of each zone that are not masked.
    """

    masks: tuple[Polygon, ...]
    masked: Mask
    zones: Mapping[str, Mask]

    @property
    def groups(self) -> int:
        """Merge groups that can be encoded."""
        return int((~self.masked).sum())

    def cover(self) -> PictureMask | None:
        """Returns what paints masks over pictures; None where there are none."""
        return PictureMask(self.masks) if self.masks else None

    def told(self, settings: PrunerSettings, geometry: FrameGeometry) -> PrunerSettings:
        """Returns a pruner's settings with what is masked."""
        if not self.masks:
            return settings
        return replace(settings, masked=self.masked.reshape(geometry.grid.group_shape))

    def audience(self, zones: Sequence[str | None]) -> npt.NDArray[np.int64]:
        """Returns which of some zones hold each group: int64 [groups], a bit for each zone.

        Args:
            zones: names of zones, by bit; None is the whole picture.
        """
        found = np.zeros(len(self.masked), np.int64)
        for bit, zone in enumerate(zones):
            found |= (True if zone is None else self.zones[zone]) * np.int64(1 << bit)
        return found
