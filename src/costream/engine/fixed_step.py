"""The step that writes a token of each answer, at fixed shapes: what a CUDA graph can replay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from costream.engine.attention.kernel import KeyView
from costream.engine.kv_pool import KVPool
from costream.engine.upload import Uploaded
from costream.models import ModelAdapter, Segment, upload

_KEYS = 512
"""Keys of an answer come in multiples of this, so that a buffer serves windows that grow."""

_ID, _PLACE, _ROW, _POSITION = range(4)


class FixedStep:
    """Runs the same operations on the same memory, whichever answers are written of which window.

    It is the attention of its own pass. On a GPU the step is captured once and replayed for each
    token; elsewhere it is run as it is. It holds keys and values of whole windows in all layers,
    one for each answer, for as long as it lives.

    Args:
        model: the model.
        answers: most answers at once.
        keys: most keys that one of them sees, its own tokens among them.
    """

    def __init__(self, model: ModelAdapter, answers: int, keys: int) -> None:
        shape = model.kv_shape
        self._model = model
        self._answers = 1 << max(0, answers - 1).bit_length()
        self._keys = -(-keys // _KEYS) * _KEYS
        self._stored = torch.zeros(
            (shape.layers, 2, self._answers, shape.kv_heads, self._keys, shape.head_dim),
            dtype=shape.dtype,
            device=shape.device,
        )
        rows = _POSITION + len(model.start(0))
        # Of each answer: its token, where its key goes, which row of logits is asked for, position.
        self._inputs = torch.zeros(rows, self._answers, dtype=torch.int64, device=shape.device)
        self._text = torch.zeros(self._answers, dtype=torch.bool, device=shape.device)
        self._none = torch.zeros(0, dtype=torch.int64, device=shape.device)
        self._order = torch.arange(self._keys, device=shape.device)
        self._mask = torch.empty(0)
        self._slots: dict[int, int] = {}
        self._ends = np.zeros(self._answers, np.int64)
        self._step: Callable[[], Tensor] | None = None

    def fits(self, answers: int, keys: int) -> bool:
        """Whether as many answers that see as many keys can be written with it."""
        return answers <= self._answers and keys <= self._keys

    def begin(self, pool: KVPool, view: KeyView, seen: Mapping[int, Uploaded]) -> None:
        """Takes over what answers see.

        Args:
            pool: where keys and values are.
            view: the keys of a window and its questions.
            seen: for each question, the places of those that its answer sees: int64 [keys].
        """
        self._slots = {branch: slot for slot, branch in enumerate(seen)}
        self._ends[:] = 0
        for layer, stored in enumerate(self._stored):
            gathered = torch.stack(pool.gather(layer, view.rows, view.rotation))
            for slot, places in enumerate(seen.values()):
                self._ends[slot] = end = len(places.tensor)
                stored[:, slot, :, :end] = gathered.index_select(2, places.tensor)

    def next_logits(self, tokens: Mapping[int, int], positions: Tensor) -> Tensor:
        """Appends one token to each of some answers.

        Args:
            tokens: by question.
            positions: int64 [axes, answers], where these stand.

        Returns:
            The logits behind each, valid until the next call: [answers, vocabulary].
        """
        slots = np.array([self._slots[branch] for branch in tokens])
        inputs = np.zeros(self._inputs.shape, np.int64)
        inputs[_ID, slots] = list(tokens.values())
        # An answer that has ended writes its next key, which nobody sees, again and again.
        inputs[_PLACE] = self._ends
        inputs[_ROW, : len(slots)] = slots
        inputs[_POSITION:, slots] = positions.numpy()
        self._ends[slots] += 1
        self._inputs.copy_(upload(torch.from_numpy(inputs), self._inputs.device))
        if self._step is None:
            self._step = self._captured()
        return self._step()[: len(slots)]

    def attend(
        self, layer: int, queries: Tensor, keys: Tensor, values: Tensor, scale: float
    ) -> Tensor:
        """Stores the key and value of each answer's token, returns what it gathers."""
        stored = self._stored[layer]  # [2, answers, kv_heads, keys, head_dim]
        fresh = torch.stack([keys, values]).transpose(1, 2)[:, :, :, None]
        place = self._inputs[_PLACE].view(1, -1, 1, 1, 1).expand_as(fresh)
        stored.scatter_(3, place, fresh)
        # Heads that share keys are queries of one head: [answers, kv_heads, group, head_dim].
        asking = queries.unflatten(0, (len(keys), -1)).permute(2, 0, 1, 3)  # type: ignore[no-untyped-call]
        mixed = scaled_dot_product_attention(asking, stored[0], stored[1], self._mask, scale=scale)
        return mixed.flatten(1, 2)

    def _compute(self) -> Tensor:
        """Runs the step on the inputs: logits in the order that is asked for."""
        positions = self._inputs[_POSITION:]
        hidden_keys = self._order > self._inputs[_PLACE, :, None]
        dtype = self._stored.dtype
        self._mask = torch.zeros(hidden_keys.shape, dtype=dtype, device=self._stored.device)
        self._mask = self._mask.masked_fill_(hidden_keys, -torch.inf)[:, None, None]
        segment = Segment(self._inputs[_ID], self._text, positions, span=0)
        embeds = self._model.embed(segment, None)
        hidden = self._model.forward(embeds, positions, self._none, None, self)
        return self._model.logits(hidden.index_select(0, self._inputs[_ROW]))

    def _captured(self) -> Callable[[], Tensor]:
        """Returns the step, as a CUDA graph where there is a GPU."""
        device = self._stored.device
        if device.type != "cuda":
            return self._compute
        # Outside of the graph first, as torch demands: what is set up lazily is not captured. The
        # step may be repeated on its inputs: it stores the same keys at the same places.
        side: Any = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(side):
            for _ in range(2):
                self._compute()
        torch.cuda.current_stream(device).wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            logits = self._compute()

        def replay() -> Tensor:
            graph.replay()
            return logits

        return replay
