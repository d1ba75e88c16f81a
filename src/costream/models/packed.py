"""Matrices of 2 to 8 bits a weight, packed into 32-bit words as AWQ and GPTQ checkpoints hold them.

A layer's ``weight`` [outputs, inputs] is stored as

=========== ======================================= ========================================
tensor      AWQ (``gemm``)                          GPTQ (``gptq``, ``gptq_v2``)
=========== ======================================= ========================================
``qweight`` int32 [inputs, outputs * bits / 32]     int32 [inputs * bits / 32, outputs]
``qzeros``  int32 [groups, outputs * bits / 32]     the same; ``gptq`` stores each less 1
``scales``  [groups, outputs]                       the same
``g_idx``   none: groups are runs of inputs         [inputs], the group of each
=========== ======================================= ========================================

and stands for ``(q - zero) * scale``, which float32 holds exactly for scales of 16 bits. Numbers
lie in the words one behind the other, lowest bits first; AWQ shuffles the eight of a word. A layer
with a plain ``weight`` is left as it is, so that the lists of layers in ``config.json``
(``modules_to_not_convert``, ``dynamic``) need not be matched by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from costream.errors import ModelError

AWQ = "awq"
GPTQ = "gptq"

_PARTS = ("qweight", "qzeros", "scales", "g_idx")

_WORD = 32


def unpack(words: Tensor, bits: int, dim: int, order: Sequence[int] | None = None) -> Tensor:
    """Returns the numbers in words.

    Args:
        words: int32 [rows, columns]. A number may begin in one and end in the next.
        bits: of a number.
        dim: along which the words follow each other, 0 or 1.
        order: where in its word each of its numbers lies, or None for one behind the other.

    Returns:
        uint8, longer along ``dim`` by 32 / bits.
    """
    mask = 2**bits - 1
    if _WORD % bits == 0:
        places = torch.tensor(order or range(_WORD // bits), dtype=torch.int32) * bits
        found: Tensor = words.unsqueeze(dim + 1) >> (places if dim else places[:, None])
        return found.bitwise_and_(mask).to(torch.uint8).flatten(dim, dim + 1)
    starts = torch.arange(words.shape[dim] * _WORD // bits) * bits
    shifts = starts % _WORD
    unsigned = words.long() & 2**_WORD - 1
    pairs = unsigned | unsigned.roll(-1, dim) << _WORD
    found = pairs.index_select(dim, starts // _WORD) >> (shifts if dim else shifts[:, None])
    return found.bitwise_and_(mask).to(torch.uint8)


class PackedReader(ABC):
    """Reads the packed matrices of a checkpoint.

    Args:
        path: the checkpoint, for messages.
        values: its ``quantization_config``.

    Raises:
        ModelError: its words are packed in a way that is not read here.
    """

    method: ClassVar[str]
    formats: ClassVar[tuple[str, ...]]
    """Those that are read, the one that is meant where ``config.json`` names none first."""
    readable_bits: ClassVar[frozenset[int]]

    def __init__(self, path: str, values: Mapping[str, Any]) -> None:
        self.path = path
        self.format = self._format(values)
        self.bits = self._options(values, "bits", "w_bit")
        self.group_sizes = self._options(values, "group_size", "q_group_size")
        if values.get("rotation"):
            raise ModelError(
                f"the weights of {path!r} are rotated, which needs rotations between its layers "
                "that are not supported: choose a checkpoint without"
            )
        known = self.format in self.formats and self.bits <= self.readable_bits
        if not known or not self.bits:
            raise ModelError(
                f"the weights of {path!r} are packed by {self.method} in the format "
                f"{self.format!r} with {_listed(self.bits) or 'unsaid'} bits, which is not "
                f"supported: choose a checkpoint in the format {' or '.join(self.formats)} "
                f"with {_listed(self.readable_bits)} bits"
            )

    def _format(self, values: Mapping[str, Any]) -> str:
        if values.get("is_marlin_format"):
            return "marlin"
        if values.get("backend") == "llm-awq":
            return "llm-awq"
        said = [values.get(key) for key in ("checkpoint_format", "version", "format")]
        return next((str(name).lower() for name in said if name is not None), self.formats[0])

    def _options(self, values: Mapping[str, Any], *keys: str) -> frozenset[int]:
        # Single layers may have settings of their own. The shapes tell which of them have which.
        overrides = dict(values.get("dynamic") or {})
        parts = [values, *(part for part in overrides.values() if part)]
        return frozenset(int(part[key]) for part in parts for key in keys if key in part)

    def weights(self, stored: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
        """Yields every weight by name, packed ones in float32 [outputs, inputs].

        Args:
            stored: all tensors of the checkpoint; they are taken out.

        Raises:
            ModelError: a tensor lacks, or does not fit the others.
        """
        for name in [name for name in stored if name.endswith(".qweight")]:
            layer = name.removesuffix(".qweight")
            if f"{layer}.weight" in stored:
                raise self.problem(f"{layer}.weight", f"beside {name}")
            yield f"{layer}.weight", self._matrix(layer, stored)
        for name in list(stored):
            layer, _, part = name.rpartition(".")
            if part in _PARTS:
                raise ModelError(f"the checkpoint {self.path!r} has {name}, but no {layer}.qweight")
            yield name, stored.pop(name)

    @abstractmethod
    def _matrix(self, layer: str, stored: dict[str, Tensor]) -> Tensor:
        """Takes a layer's tensors and returns its weight: float32 [outputs, inputs]."""

    def take(self, name: str, stored: dict[str, Tensor], dims: int = 2) -> Tensor:
        """Takes a tensor of words, scales or groups."""
        if name not in stored:
            raise ModelError(f"the checkpoint {self.path!r} lacks {name}")
        tensor = stored.pop(name)
        whole = not tensor.is_floating_point()
        if tensor.ndim != dims or whole == name.endswith(".scales") or not tensor.numel():
            raise self.misfit(name, tensor)
        if name.endswith((".qweight", ".qzeros")) and tensor.dtype != torch.int32:
            raise self.misfit(name, tensor)
        return tensor

    def misfit(self, name: str, tensor: Tensor) -> ModelError:
        """Returns the error of a tensor that can't be one of its layer's."""
        kind = str(tensor.dtype).removeprefix("torch.")
        return self.problem(name, f"of {kind} {list(tensor.shape)}, which does not fit its layer")

    def problem(self, name: str, what: str) -> ModelError:
        """Returns the error of a tensor."""
        return ModelError(f"the checkpoint {self.path!r} has {name} {what}")

    def group_size(self, inputs: int, groups: int) -> int | None:
        """Returns how many inputs share a scale, or None where no size fits, or several do."""
        sizes = {inputs if size == -1 else size for size in self.group_sizes or {128}}
        fitting = [size for size in sizes if size > 0 and -(-inputs // size) == groups]
        return fitting[0] if len(fitting) == 1 or (fitting and groups == 1) else None


def _listed(numbers: frozenset[int]) -> str:
    return " or ".join(str(number) for number in sorted(numbers))


class AwqReader(PackedReader):
    """Reads AutoAWQ's ``gemm`` packing."""

    method = AWQ
    formats = ("gemm",)
    readable_bits = frozenset({4})

    _order = (0, 4, 1, 5, 2, 6, 3, 7)

    def _matrix(self, layer: str, stored: dict[str, Tensor]) -> Tensor:
        words, zeros, scales = (self.take(f"{layer}.{part}", stored) for part in _PARTS[:3])
        (inputs, across), groups = words.shape, len(scales)
        if across * 8 != scales.shape[1]:
            raise self.misfit(f"{layer}.qweight", words)
        if zeros.shape != (groups, across):
            raise self.misfit(f"{layer}.qzeros", zeros)
        size = self.group_size(inputs, groups)
        if size is None:
            raise self.misfit(f"{layer}.scales", scales)
        numbers, points = (unpack(part, 4, 1, self._order) for part in (words, zeros))
        return dequantised(numbers, points, scales, torch.arange(inputs) // size)


class GptqReader(PackedReader):
    """Reads the packings of AutoGPTQ and GPTQModel."""

    method = GPTQ
    formats = ("gptq", "gptq_v2")
    readable_bits = frozenset({2, 3, 4, 8})

    def __init__(self, path: str, values: Mapping[str, Any]) -> None:
        super().__init__(path, values)
        tools = dict(values.get("meta") or {}).get("quantizer") or []
        # Before 1.0, and with other tools, a zero point of 0 could spoil its neighbours.
        self._borrows = any(
            str(tool).startswith("gptqmodel:") and not str(tool).startswith("gptqmodel:0.")
            for tool in ([tools] if isinstance(tools, str) else tools)
        )

    def _matrix(self, layer: str, stored: dict[str, Tensor]) -> Tensor:
        words, zeros, scales = (self.take(f"{layer}.{part}", stored) for part in _PARTS[:3])
        outputs, across = scales.shape[1], zeros.shape[1]
        bits = next((bits for bits in self.bits if -(-outputs * bits // _WORD) == across), None)
        if bits is None or len(zeros) != len(scales):
            raise self.misfit(f"{layer}.qzeros", zeros)
        if words.shape[1] != outputs:
            raise self.misfit(f"{layer}.qweight", words)
        group_of = self._groups(layer, stored, words, len(scales), bits)
        numbers = unpack(words, bits, 0)[: len(group_of)]
        points = self._zero_points(layer, zeros, bits, outputs)
        return dequantised(numbers, points, scales, group_of)

    def _groups(
        self, layer: str, stored: dict[str, Tensor], words: Tensor, groups: int, bits: int
    ) -> Tensor:
        """Returns the group of each input: [inputs]."""
        name = f"{layer}.g_idx"
        if name not in stored:
            inputs = len(words) * _WORD // bits
            size = self.group_size(inputs, groups)
            if size is None:
                raise ModelError(f"the checkpoint {self.path!r} lacks {name}")
            return torch.arange(inputs) // size
        group_of = self.take(name, stored, dims=1)
        if -(-len(group_of) * bits // _WORD) != len(words):
            raise self.misfit(name, group_of)
        if set(group_of.tolist()) != set(range(groups)):
            raise self.problem(name, f"that does not name each of {groups} groups")
        return group_of.long()

    def _zero_points(self, layer: str, words: Tensor, bits: int, outputs: int) -> Tensor:
        """Returns what is subtracted from the numbers: [groups, outputs]."""
        points = unpack(words, bits, 1)[:, :outputs]
        if self.format == "gptq_v2":
            return points
        if not (points == 2**bits - 1).any():
            return points + 1
        # A zero point of 0, less 1. GPTQModel subtracts from whole words, so it borrows from the
        # next point, and adding to whole words gives both back.
        if _WORD % bits or not self._borrows:
            raise self.problem(
                f"{layer}.qzeros",
                "with a zero point of 0, which the format 'gptq' can't store: choose a checkpoint "
                "in the format gptq_v2",
            )
        ones = sum(1 << at for at in range(0, _WORD, bits))
        return unpack(words + ones, bits, 1)[:, :outputs]


READERS: Mapping[str, type[PackedReader]] = {AWQ: AwqReader, GPTQ: GptqReader}


def dequantised(numbers: Tensor, zeros: Tensor, scales: Tensor, group_of: Tensor) -> Tensor:
    """Returns what packed numbers stand for: float32 [outputs, inputs].

    Args:
        numbers: [inputs, outputs].
        zeros: [groups, outputs], the numbers that stand for 0.
        scales: [groups, outputs].
        group_of: [inputs], the group of each.
    """
    values, points, factors = numbers.float(), zeros.float(), scales.float()
    size, rest = divmod(len(numbers), len(scales))
    if not rest and torch.equal(group_of, torch.arange(len(numbers)) // size):
        # Runs of inputs, as nearly all have: no scale has to be copied for each of them.
        runs = values.view(len(scales), size, -1)
        runs.sub_(points[:, None]).mul_(factors[:, None])
        return values.T
    return values.sub_(points[group_of]).mul_(factors[group_of]).T
