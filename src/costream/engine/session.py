"""One watched stream: the window's temporal patches, their place in the store, their epoch.

An epoch is a stretch of stream in which positions and timestamps only grow, so that nothing that
was computed in it has to be rotated or written anew. It begins with everything being computed.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from costream.engine.hold import FeatureMemory, Sight
from costream.engine.overlap import Overlap
from costream.engine.prefill import FlopMeter, Piece, Prefill, run_of
from costream.engine.resident import Resident, check_layout
from costream.engine.schedule import Schedule, Tubelet, Window
from costream.engine.store import KVStore
from costream.models import EncodeJob, FrameGeometry, ModelAdapter, Moment, VisualTokens
from costream.pruning import KeepMask, Pruner


class Session:
    """The state of one stream. One thread uses it.

    Args:
        model: the model.
        geometry: how the stream's pictures are cut.
        pruner: the stream's pruner.
        schedule: window and stride, in ticks.
        epoch: positions after which a new epoch begins.
        chunk: most tokens run through the language model at a time.
        hold: whether groups that are pruned stay in sight as they last were.
    """

    def __init__(
        self,
        model: ModelAdapter,
        geometry: FrameGeometry,
        pruner: Pruner,
        schedule: Schedule,
        *,
        epoch: int,
        chunk: int,
        hold: bool,
    ) -> None:
        self.model = model
        self.geometry = geometry
        self.residents: list[Resident] = []
        self._pruner = pruner
        self.schedule = schedule
        self._memory = FeatureMemory(geometry.grid.groups) if hold else None
        self._epoch_limit = epoch
        self._epoch_tick = 0
        self._next_index = 0
        self._next_position = 0
        self._prompt = model.prompt()
        self.store = KVStore(model.kv_shape, len(self._prompt))
        self.meter = FlopMeter()
        self.prefill = Prefill(model, self.store, chunk, self.meter)
        self._compute_prompt()

    @property
    def prompt_tokens(self) -> int:
        """Length of the prompt."""
        return self.store.prompt_tokens

    @property
    def end_position(self) -> Tensor:
        """Position behind the window, where questions begin: int64 [axes, 1]."""
        end, residents = self._next_position, self.residents
        first, last = (residents[0].position, residents[-1].position) if residents else (end, end)
        return self.model.text_start(first, last, end, self.geometry)

    @property
    def full_tokens(self) -> int:
        """Tokens of prompt and window if nothing were pruned."""
        labels = sum(r.label_tokens for r in self.residents)
        return self.prompt_tokens + labels + len(self.residents) * self.geometry.grid.groups

    @property
    def epoch_is_over(self) -> bool:
        """Positions have grown so far that they should begin again."""
        return self._next_position > self._epoch_limit

    @torch.inference_mode()
    def encode(self, tubelets: Sequence[Tubelet]) -> list[Resident]:
        """Prunes temporal patches and runs the vision encoder on what is left of them.

        Returns:
            The new residents, not yet in the window.
        """
        keeps = [self._pruner.decide(tubelet.samples) for tubelet in tubelets]
        jobs = [self._job(t, keep) for t, keep in zip(tubelets, keeps, strict=True)]
        visuals = self.model.encode(jobs)
        encoded = [len(visual) for visual in visuals]
        if self._pruner.after_vision:
            keeps, visuals = self._thin(keeps, visuals)
        arrivals = []
        for tubelet, keep, visual, groups in zip(tubelets, keeps, visuals, encoded, strict=True):
            held, visual = self._hold(keep, visual)
            arrivals.append(
                Resident(
                    ticks=(tubelet.samples[0].tick, tubelet.samples[-1].tick),
                    frames=len(tubelet.samples),
                    keep=keep,
                    held=held,
                    visual=visual,
                    encoded=groups,
                    damaged=sum(sample.change.damaged for sample in tubelet.samples),
                )
            )
        group = self.geometry.grid.merge**2
        patches = [groups * group for groups in encoded]
        seen = [max(a.encoded, len(a.visual)) * group for a in arrivals]
        self.meter.add(self.model.vision_flops(patches, seen))
        return arrivals

    def slide(self, window: Window, arrivals: Sequence[Resident]) -> list[Resident]:
        """Moves the window: drops what left it, appends what is new.

        Returns:
            The overlap: the residents that were there before, in order.
        """
        overlap = [resident for resident in self.residents if resident.tick >= window.start]
        self.residents = list(overlap)
        self.store.evict_before(self._first_slot())
        for resident in arrivals:
            self._append(resident)
        self._move_prompt()
        return overlap

    def rebase(self) -> None:
        """Begins a new epoch: every resident has to be computed again."""
        residents, self.residents = self.residents, []
        self.store.clear()
        self._next_position = self.prompt_tokens
        self._next_index = 0
        self._epoch_tick = residents[0].tick if residents else 0
        for resident in residents:
            self._append(resident)
        self._move_prompt()

    def pieces(self, residents: Sequence[Resident]) -> list[Piece]:
        """Returns the residents as pieces of a pass; those without tokens have none.

        They are good until slots are reserved, which may move all of them.
        """
        return [
            Piece(r.segment, r.visual, self.model.start(r.position), run_of(r.slot, r.tokens))
            for r in residents
            if r.segment is not None
        ]

    def arriving(self, overlap: Sequence[Resident], arrivals: Sequence[Resident]) -> list[Piece]:
        """Returns what of new residents has to be computed; what they hold is copied meanwhile.

        Good for as long as other pieces.

        Args:
            overlap: the residents before them, which the store has or gets in the same pass.
            arrivals: the new ones.
        """
        sight = Sight(self.geometry.grid.groups)
        shown = [resident for resident in overlap if resident.segment is not None][-1:]
        for resident, piece in zip(shown, self.pieces(shown), strict=True):
            sight.follow(resident, piece)
        new = [resident for resident in arrivals if resident.segment is not None]
        pairs = zip(new, self.pieces(new), strict=True)
        return [sight.arrive(resident, piece) for resident, piece in pairs]

    def overlap(self, residents: Sequence[Resident], start: int) -> Overlap:
        """Returns some residents as a refresh policy sees them; good for as long as their pieces.

        Args:
            residents: in order.
            start: the window's first tick.
        """
        return Overlap(residents, self.pieces(residents), start, self.prefill)

    def reserve(self, tokens: int) -> int:
        """Reserves scratch slots behind the window and returns the first."""
        shift = self.store.append(tokens)
        for resident in self.residents:
            resident.slot -= shift
        return self.store.end - tokens

    def release(self) -> None:
        """Frees all scratch slots."""
        self.store.truncate(self._end_slot())

    def check_integrity(self) -> None:
        """Checks that residents lie in the store without gap or overlap, in order.

        Raises:
            IntegrityError: they don't.
        """
        self.store.check_integrity()
        check_layout(self.residents, self.store.start)

    def _job(self, tubelet: Tubelet, keep: KeepMask) -> EncodeJob:
        pictures, kept = [s.picture for s in tubelet.samples], keep.groups.reshape(-1)
        patches = self.model.preprocessing.patches(pictures, kept, self.geometry)
        memory = None if self._memory is None else self._memory.vision
        return EncodeJob(torch.from_numpy(patches), torch.from_numpy(kept), self.geometry, memory)

    def _thin(
        self, keeps: Sequence[KeepMask], visuals: Sequence[VisualTokens]
    ) -> tuple[list[KeepMask], list[VisualTokens]]:
        features = [visual.embeds.float().cpu().numpy() for visual in visuals]
        thinned = self._pruner.thin(keeps, features)
        left = [
            visual.take(torch.from_numpy(after.groups[before.groups]))
            for before, after, visual in zip(keeps, thinned, visuals, strict=True)
        ]
        return thinned, left

    def _hold(self, keep: KeepMask, visual: VisualTokens) -> tuple[Tensor, VisualTokens]:
        """Returns which groups are held beside those kept, and the features of both."""
        kept = torch.from_numpy(keep.groups.reshape(-1))
        if self._memory is None:
            return torch.zeros_like(kept), visual
        visual = self._memory.complete(kept, visual)
        return self._memory.known & ~kept, visual

    def _append(self, resident: Resident) -> None:
        # The segment is laid out even where everything was pruned: its span keeps the distances
        # between the frames around it what they are in the unpruned video.
        segment = self.model.frame(self._moment(resident), resident.shown, self.geometry)
        resident.segment = segment if len(resident.visual) else None
        resident.label_tokens = len(segment) - len(resident.visual)
        resident.position = self._next_position
        self._next_index += 1
        self._next_position += segment.span
        resident.slot = self.reserve(resident.tokens)
        self.residents.append(resident)

    def _moment(self, resident: Resident) -> Moment:
        middle, fps = sum(resident.ticks) / 2, self.schedule.fps
        time = (middle - self._epoch_tick) / fps
        return Moment(self._next_index, time, self.schedule.patch / fps)

    def _first_slot(self) -> int:
        return self.residents[0].slot if self.residents else self.store.end

    def _end_slot(self) -> int:
        if not self.residents:
            return self.store.start
        return self.residents[-1].slot + self.residents[-1].tokens

    def _move_prompt(self) -> None:
        first = self.residents[0].position if self.residents else self._next_position
        self.store.place_prompt(first - self.prompt_tokens, self.model.move_keys)

    def _compute_prompt(self) -> None:
        slots = run_of(self.store.first, len(self._prompt))
        pieces = [Piece(self._prompt, None, self.model.start(0), slots)]
        self.prefill.run(pieces, torch.empty(0, dtype=torch.int64))
        self.store.keep_prompt()
        self._next_position = self.prompt_tokens
