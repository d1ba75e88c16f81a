"""What is said about a window, checked before a model is told."""

from __future__ import annotations

from collections.abc import Sequence

from costream.engine.asks import checked_asks
from costream.errors import SettingsError
from costream.turn import Turn


def checked_turns(messages: str | Sequence[Turn]) -> list[Turn]:
    """Returns messages as turns that a chat template takes: users' and answers, one by one.

    What a window holds was computed behind the checkpoint's own prompt and stays as it is. So what
    the system says stands behind the video, in front of the user's first words. Messages of one
    side that follow each other become one turn.

    Args:
        messages: what is said, the question last; or the question alone.

    Raises:
        SettingsError: a message is empty or no valid Unicode, the first one is not a user's, or the
            last one.
    """
    said = [Turn("user", messages)] if isinstance(messages, str) else list(messages)
    texts = checked_asks([turn.text for turn in said])
    checked = [Turn(turn.role, text) for turn, text in zip(said, texts, strict=True)]
    talk = [turn for turn in checked if turn.role != "system"]
    if not talk or talk[0].role != "user" or talk[-1].role != "user":
        raise SettingsError("a conversation begins with a user's message and ends with one")
    before = [Turn("user", turn.text) for turn in checked if turn.role == "system"]
    return _joined([*before, *talk])


def _joined(turns: Sequence[Turn]) -> list[Turn]:
    found: list[Turn] = []
    for turn in turns:
        if found and found[-1].role == turn.role:
            turn = Turn(turn.role, f"{found.pop().text}\n\n{turn.text}")
        found.append(turn)
    return found
