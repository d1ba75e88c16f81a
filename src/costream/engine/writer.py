"""One reply in the making: its text is read behind a window, then written token by token."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from costream.engine.plan import take
from costream.engine.reply import Chance, Finish, Reply, Sight, Written
from costream.engine.runner import ModelRunner
from costream.engine.sampler import Sampler
from costream.engine.transcript import Transcript
from costream.engine.watch import Watch
from costream.errors import SettingsError
from costream.models import Segment

SLICE = 256
"""Tokens of what was asked that are computed in one step."""


class Writer:
    """Writes one reply from a copy of a window, in steps. The engine's thread uses it.

    Args:
        runner: the engine's.
        watch: the stream, whose window the pool has.
        reply: what is written.
        segment: what is asked, as tokens.

    Raises:
        SettingsError: what is asked does not fit into the model's context behind the window.
    """

    def __init__(self, runner: ModelRunner, watch: Watch, reply: Reply, segment: Segment) -> None:
        model, window = runner.model, watch.state.window
        self.reply = reply
        self._runner = runner
        self._segment = segment
        keys, self._start = watch.state.behind()
        room = model.context - len(keys) - len(self._segment)
        if room < 1:
            raise SettingsError(
                f"what is asked takes {len(self._segment)} tokens, which with the {len(keys)} of "
                f"the video is more than the model's context of {model.context}: ask less"
            )
        self._limit = min(reply.options.max_tokens, room)
        self._copy = runner.copy_window(keys)
        self._read = 0
        self._sampler = Sampler(reply.options, model.barred_ids)
        self._transcript = Transcript(model.decode, reply.options.stop)
        fps, patches = watch.stream.schedule.fps, window.patches
        reply.begin(
            Sight(
                start=patches[0].tick / fps,
                end=(patches[-1].ticks[1] + 1) / fps,
                frames=sum(patch.frames for patch in patches),
                fps=fps,
                cached_tokens=len(keys),
                text_tokens=len(self._segment),
            )
        )

    @property
    def bytes(self) -> int:
        """Memory that its copy of the window takes."""
        return self._copy.bytes

    def step(self) -> None:
        """Computes a slice of what was asked, or one token of the reply."""
        if self._read < len(self._segment):
            self._read_slice()
        else:
            self._write(self._follow_last())

    def _read_slice(self) -> None:
        chosen = np.zeros(len(self._segment), np.bool_)
        chosen[self._read : self._read + SLICE] = True
        self._read += SLICE
        part = take(self._segment, chosen)
        logits = self._runner.follow(part, self._start, self._copy)
        if self._read >= len(self._segment):
            self.reply.yes = self._chance_of_yes(logits)
            self._write(logits)

    def _follow_last(self) -> Tensor:
        """Runs the last token that was written; returns the logits behind it."""
        ids = self._transcript.ids
        start = self._start + self._segment.span + len(ids) - 1
        return self._runner.follow(self._runner.model.text(ids[-1:]), start, self._copy)

    def _write(self, logits: Tensor) -> None:
        """Adds the next token, or ends the reply."""
        token = self._sampler.pick(logits)
        if token in self._runner.model.eos_ids:
            self._end("stop")
            return
        self._note(token, logits)
        self.reply.put(self._transcript.add(token))
        if self._transcript.stopped:
            self._end("stop")
        elif len(self._transcript.ids) >= self._limit:
            self._end("length")

    def _end(self, finish: Finish) -> None:
        self.reply.put(self._transcript.finish())
        self.reply.end(finish)

    def _note(self, token: int, logits: Tensor) -> None:
        self.reply.tokens += 1
        count = self.reply.options.likeliest
        if not count:
            return
        logprobs = logits.log_softmax(0)
        likeliest = logprobs.topk(count).indices.tolist()
        self.reply.written.append(
            Written(
                self._chance(logprobs, token),
                tuple(self._chance(logprobs, other) for other in likeliest),
            )
        )

    def _chance(self, logprobs: Tensor, token: int) -> Chance:
        return Chance(self._runner.model.decode([token]), float(logprobs[token]))

    def _chance_of_yes(self, logits: Tensor) -> float:
        chances, model = logits.softmax(0), self._runner.model
        yes = float(chances[model.yes_ids.cpu()].sum())
        no = float(chances[model.no_ids.cpu()].sum())
        return yes / max(yes + no, 1e-30)
