"""Another function in the place of one of PyTorch's, for a while."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch.overrides import TorchFunctionMode


class Instead(TorchFunctionMode):
    """Within it, a function of PyTorch's is another one, which may call the first.

    Args:
        func: PyTorch's function, or method of its tensors.
        other: takes what it takes.
    """

    def __init__(self, func: Callable[..., Any], other: Callable[..., Any]) -> None:
        super().__init__()
        self._func, self._other = func, other

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        call = self._other if func is self._func else func
        return call(*args, **(kwargs or {}))
