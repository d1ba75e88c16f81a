"""What can happen before a camera, how one asks about it, and how one answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

EventKind = Literal[
    "fighting", "fall", "panic", "abandoned", "stealing", "intrusion", "wrong_way", "loitering",
    "fire",
]  # fmt: skip

EVENT_KINDS: tuple[EventKind, ...] = get_args(EventKind)


@dataclass(frozen=True, slots=True)
class Alarm:
    """An event worth an alarm, in words.

    Attributes:
        title: name for people.
        category: name of the class in file names and annotations, without spaces.
        questions: wordings of one question that is answered with yes exactly while it happens.
        yes: sentence that affirms it.
        no: sentence that denies it.
    """

    title: str
    category: str
    questions: tuple[str, ...]
    yes: str
    no: str


NORMAL = "Normal"
"""Category of a video without an event."""

EVENTS: dict[EventKind, Alarm] = {
    "fighting": Alarm(
        "fighting",
        "Fighting",
        (
            "Is someone fighting?",
            "Are people hitting each other?",
            "Is there a fight?",
            "Do you see a fight between people?",
            "Is anybody being attacked or punched?",
            "Does the video show fighting?",
            "Are two persons in a violent struggle?",
        ),
        "Yes. Two people are fighting and hit each other.",
        "No. Nobody is fighting.",
    ),
    "fall": Alarm(
        "fall",
        "Fall",
        (
            "Has someone fallen and stayed down?",
            "Has a person fallen to the floor?",
            "Is somebody lying on the ground?",
            "Did anyone collapse?",
            "Does the video show a person who fell?",
            "Is a person lying down and not getting up?",
            "Has someone fallen to the floor?",
        ),
        "Yes. A person has fallen and lies on the floor.",
        "No. Nobody has fallen.",
    ),
    "panic": Alarm(
        "panic",
        "Panic",
        (
            "Is a crowd running away in panic?",
            "Are people fleeing?",
            "Is there a panic?",
            "Do several people suddenly run away?",
            "Does the video show a stampede?",
            "Are many people running in the same direction?",
        ),
        "Yes. Several people are running away in panic.",
        "No. Nobody is running away in panic.",
    ),
    "abandoned": Alarm(
        "abandoned object",
        "Abandoned",
        (
            "Has a bag been left behind?",
            "Is there an abandoned bag?",
            "Did someone leave luggage unattended?",
            "Has somebody put down a suitcase and gone away?",
            "Does the video show an unattended bag?",
            "Is a bag standing there without its owner?",
        ),
        "Yes. A bag has been left behind by its owner.",
        "No. No bag has been left behind.",
    ),
    "stealing": Alarm(
        "stealing",
        "Stealing",
        (
            "Is someone stealing?",
            "Has an object been stolen?",
            "Did somebody take the object from its stand?",
            "Is a thief taking something away?",
            "Does the video show a theft?",
            "Is anyone carrying off the exhibit?",
        ),
        "Yes. Someone has taken the object from its stand.",
        "No. Nothing is being stolen.",
    ),
    "intrusion": Alarm(
        "intrusion",
        "Intrusion",
        (
            "Has someone entered the forbidden zone?",
            "Is a person inside the marked area?",
            "Is anybody standing in the restricted zone?",
            "Does the video show an intrusion?",
            "Is someone in the hatched area on the floor?",
            "Did an intruder step into the painted zone?",
        ),
        "Yes. A person is inside the forbidden zone.",
        "No. Nobody is inside a forbidden zone.",
    ),
    "wrong_way": Alarm(
        "wrong-way driving",
        "WrongWay",
        (
            "Is a vehicle driving the wrong way?",
            "Is a car going against the traffic?",
            "Does a vehicle drive against its lane's direction?",
            "Is there a wrong-way driver?",
            "Does the video show a car in the wrong lane?",
            "Is any car moving against the arrows on the road?",
        ),
        "Yes. A car is driving the wrong way in its lane.",
        "No. No vehicle is driving the wrong way.",
    ),
    "loitering": Alarm(
        "loitering",
        "Loitering",
        (
            "Is someone loitering?",
            "Is a person pacing to and fro?",
            "Is somebody hanging around without a purpose?",
            "Does a person keep wandering back and forth?",
            "Does the video show loitering?",
            "Is anyone walking up and down without leaving?",
        ),
        "Yes. A person is pacing to and fro without leaving.",
        "No. Nobody is loitering.",
    ),
    "fire": Alarm(
        "fire or smoke",
        "Fire",
        (
            "Is there a fire?",
            "Is something burning?",
            "Do you see flames or smoke?",
            "Has a fire broken out?",
            "Does the video show fire or smoke?",
            "Is smoke rising somewhere?",
        ),
        "Yes. There is fire or smoke.",
        "No. There is neither fire nor smoke.",
    ),
}
