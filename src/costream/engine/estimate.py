"""An estimate of capacity: what streams cost with a model, and how many of them fit a device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from costream.engine.camera import SHARES, Camera
from costream.engine.capacity import (
    Device,
    Scratch,
    cameras_by_compute,
    cameras_by_decoding,
    cameras_by_memory,
    largest,
)
from costream.engine.row_shape import RowShape
from costream.engine.stream_cost import StreamCost, WindowLayout, schedule_of
from costream.models import FrameGeometry, ModelAdapter
from costream.models.outline import Outline
from costream.settings import EngineSettings


@dataclass(frozen=True, slots=True)
class StreamEstimate:
    """What streams of one kind of camera cost.

    Attributes:
        camera: the kind.
        geometry: how its pictures are cut.
        layout: its windows.
        costs: by name of the share that is kept: see :data:`~costream.engine.camera.SHARES`.
        scratch: of a batch of such streams, by the same names.
    """

    camera: Camera
    geometry: FrameGeometry
    layout: WindowLayout
    costs: dict[str, StreamCost]
    scratch: dict[str, Scratch]

    @classmethod
    def of(
        cls,
        model: ModelAdapter,
        camera: Camera,
        settings: EngineSettings,
        row: RowShape,
        questions: int,
    ) -> StreamEstimate:
        """Estimates the streams of one kind of camera.

        Raises:
            SettingsError: the settings don't fit the model.
            SourceError: its pictures are of no shape that a model takes.
        """
        frames = schedule_of(model, settings).window
        geometry = model.geometry(camera.width, camera.height, frames, settings.frame_size)
        layout = WindowLayout.of(model, geometry, settings, questions)
        costs = {
            name: StreamCost.of(model, geometry, layout, row, share)
            for name, share in SHARES.items()
        }
        scratch = {
            name: Scratch.of(model, geometry, layout, cost, row) for name, cost in costs.items()
        }
        return cls(camera, geometry, layout, costs, scratch)

    def to_dict(self) -> dict[str, Any]:
        """Returns it as JSON has it."""
        rows = {name: cost.rows for name, cost in self.costs.items()}
        return {
            "source": str(self.camera),
            "frame_size": [self.geometry.width, self.geometry.height],
            "groups": self.layout.groups,
            "window_tokens": self.layout.tokens,
            "stream_bytes": {name: cost.bytes for name, cost in self.costs.items()},
            "rows": {
                name: {
                    "kept": found.kept,
                    "labels": found.labels,
                    "before": found.before,
                    "held": found.held,
                    "arriving": found.arriving,
                    "questions": found.questions,
                }
                for name, found in rows.items()
            },
            "parts_bytes": {name: cost.parts for name, cost in self.costs.items()},
            "passing_bytes": {name: cost.passing for name, cost in self.costs.items()},
            "encoder_memory_bytes": self.costs["quiet"].memory,
            "host_bytes": {name: cost.host for name, cost in self.costs.items()},
            "window_flops": {name: cost.flops for name, cost in self.costs.items()},
        }


@dataclass(frozen=True, slots=True)
class Estimate:
    """How many cameras a device watches with a model. Kinds of cameras come in equal parts.

    Attributes:
        outline: the model.
        device: what there is to watch with.
        stride: seconds from one window to the next.
        row: a row of the pool.
        streams: of each kind of camera.
    """

    outline: Outline
    device: Device
    stride: float
    row: RowShape
    streams: tuple[StreamEstimate, ...]

    @classmethod
    def of(
        cls,
        outline: Outline,
        settings: EngineSettings,
        cameras: Sequence[Camera],
        device: Device,
        *,
        questions: int,
        packed: bool,
    ) -> Estimate:
        """Estimates what cameras cost.

        Args:
            outline: the model.
            settings: the engine's.
            cameras: one of each kind.
            device: what there is to watch with.
            questions: how many are asked of each.
            packed: keys and values are stored in 8 bits.

        Raises:
            SettingsError: the settings don't fit the model.
            SourceError: pictures are of no shape that a model takes.
        """
        row = RowShape(outline.model.kv_shape, packed)
        streams = tuple(
            StreamEstimate.of(outline.model, camera, settings, row, questions) for camera in cameras
        )
        return cls(outline, device, settings.stride, row, streams)

    @property
    def prompt_bytes(self) -> int:
        """What the prompt's rows take, which all streams share."""
        return self.streams[0].layout.prompt * self.row.bytes

    @property
    def scratch(self) -> dict[str, Scratch]:
        """What streams share while a batch is computed, by name of the share that is kept."""
        return {name: largest([s.scratch[name] for s in self.streams]) for name in SHARES}

    @property
    def shared_bytes(self) -> dict[str, int]:
        """What all streams share: weights, prompt and scratch, by name of the share."""
        once = self.outline.weight_bytes + self.prompt_bytes
        return {name: once + part.bytes for name, part in self.scratch.items()}

    @property
    def stream_bytes(self) -> dict[str, int]:
        """What a stream holds on the device, the mean over the kinds."""
        return self._mean(lambda cost: cost.bytes)

    @property
    def window_flops(self) -> dict[str, int]:
        """What a window costs, the mean over the kinds."""
        return self._mean(lambda cost: cost.flops)

    @property
    def by_memory(self) -> dict[str, int]:
        """Cameras that the device has memory for."""
        return {
            name: cameras_by_memory(self.device.memory - shared, self._costs(name))
            for name, shared in self.shared_bytes.items()
        }

    @property
    def by_compute(self) -> dict[str, int] | None:
        """Cameras whose windows it computes as they come; None where its speed is not known."""
        if self.device.tflops is None:
            return None
        speed = self.device.tflops * 1e12
        return {name: cameras_by_compute(speed, self.stride, self._costs(name)) for name in SHARES}

    @property
    def by_decoding(self) -> int:
        """Cameras whose frames its cores decode."""
        return cameras_by_decoding(self.device, [stream.camera for stream in self.streams])

    def to_dict(self) -> dict[str, Any]:
        """Returns it as JSON has it."""
        return {
            "stream_bytes": self.stream_bytes,
            "weight_bytes": self.outline.weight_bytes,
            "cameras": {
                "memory": self.by_memory,
                "compute": self.by_compute,
                "decode": self.by_decoding,
            },
            "prompt_bytes": self.prompt_bytes,
            "scratch_bytes": {name: part.bytes for name, part in self.scratch.items()},
            "row_bytes": self.row.bytes,
            "page": {"rows": self.row.page_rows, "features": self.row.page_features},
            "window_flops": self.window_flops,
            "sources": [stream.to_dict() for stream in self.streams],
        }

    def _mean(self, figure: Callable[[StreamCost], int]) -> dict[str, int]:
        return {name: round(fmean(map(figure, self._costs(name)))) for name in SHARES}

    def _costs(self, name: str) -> list[StreamCost]:
        return [stream.costs[name] for stream in self.streams]
