"""The question that is put for each category of the known sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from costream.lab.synth import EVENTS

_PROTOCOL = "Describe the frames and determine if they show {}."
"""The published question (arXiv 2604.06036); what form the answer has is said by the engine."""

_UCF_CRIME = {
    "Abuse": "abuse",
    "Arrest": "an arrest",
    "Arson": "arson",
    "Assault": "an assault",
    "Burglary": "a burglary",
    "Explosion": "an explosion",
    "Fighting": "fighting",
    "RoadAccidents": "a road accident",
    "Robbery": "a robbery",
    "Shooting": "a shooting",
    "Shoplifting": "shoplifting",
    "Stealing": "stealing",
    "Vandalism": "vandalism",
}

_XD_VIOLENCE = {
    "B1": "fighting",
    "B2": "shooting",
    "B4": "a riot",
    "B5": "abuse",
    "B6": "a car accident",
    "G": "an explosion",
}

UCF_CRIME: Mapping[str, str] = {name: _PROTOCOL.format(words) for name, words in _UCF_CRIME.items()}
XD_VIOLENCE: Mapping[str, str] = {
    name: _PROTOCOL.format(words) for name, words in _XD_VIOLENCE.items()
}


def synthetic_questions() -> Mapping[str, str]:
    """Returns the first wording of the question for each kind of event of the synthetic set."""
    return {alarm.category: alarm.questions[0] for alarm in EVENTS.values()}


def questions_for(categories: Iterable[str]) -> tuple[str, Mapping[str, str]]:
    """Tells UCF-Crime and the synthetic set, which share a layout, by the categories they use.

    Returns:
        The set's name and its questions.
    """
    known = {"synthetic": synthetic_questions(), "ucf-crime": UCF_CRIME}
    used = list(categories)
    # On equal terms the last: a subset of categories that both have is UCF-Crime's.
    return max(sorted(known.items()), key=lambda item: (sum(c in item[1] for c in used), item[0]))
