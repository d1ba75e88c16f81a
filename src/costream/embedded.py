"""What the embedded models know, and what is said when they are asked for more. Without torch."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from costream.checkpoints import EMBEDDED

REAL_MODEL = "Qwen/Qwen3-VL-2B-Instruct"
"""The smallest model for real cameras that is named to those who have named none."""

_ADVICE = (
    f"for anything else name a real model, such as {REAL_MODEL}: it takes 4 GiB of weights and "
    "about 1 GiB a quiet camera on a GPU; on a CPU it takes twice that and seldom keeps up"
)

logger = logging.getLogger("costream")


def limit_of(name: str, subject: str) -> str | None:
    """Says in a sentence that what an embedded model says of something means nothing.

    Args:
        name: the model's name.
        subject: what it can't know: a source, cameras or a question.

    Returns:
        The sentence, or None where the model is none of the embedded ones.
    """
    if name not in EMBEDDED:
        return None
    return (
        f"{name} knows nine questions about a synthetic world: what it says of {subject} means "
        f"nothing; {_ADVICE}"
    )


def warn_of_embedded(
    name: str, source: str, unknown: Sequence[str], *, synthetic: bool = False
) -> None:
    """Says that an embedded model is asked for what it can't know; else nothing.

    Args:
        name: the model's name, embedded or not.
        source: the name of what it watches.
        unknown: those of the questions that it does not know.
        synthetic: the source shows the synthetic world.
    """
    if synthetic and not unknown:
        return
    sentence = limit_of(name, f"{unknown[0]!r}" if synthetic else source)
    if sentence is not None:
        logger.warning("%s", sentence)
