"""What the API changed at run time, over what the file says.

A change stays, whatever the file says of the same camera or question later, until it is taken back.
A camera that goes from the file takes its changes with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field, ValidationError

from costream.errors import SettingsError, TakenError, UnknownError
from costream.serve.config.crosscheck import watched_flaws
from costream.serve.config.model import (
    MOST_CAMERAS,
    MOST_QUESTIONS,
    NAME,
    CameraConfig,
    Name,
    Part,
    QuestionConfig,
    ServiceConfig,
)
from costream.serve.config.problem import Path, dotted
from costream.serve.config.validation import FORMS, flaws


class Overlay(Part):
    """Changes of cameras and questions; it never changes itself, its methods return another.

    Every change is checked as the file is, and refused by a :class:`SettingsError` that names the
    field in a sentence; of what does not exist there is an :class:`UnknownError`. Its JSON holds
    the URLs of cameras with their passwords.

    Attributes:
        added: cameras that the file does not have.
        changed: fields of the file's cameras, as JSON; null for the default.
        paused: whether a camera is paused, where that is not as its ``enabled`` says.
        removed: the file's cameras that are not there.
        questions: questions that the file does not have, or has in another form.
        removed_questions: the file's questions that are not there.
    """

    added: dict[Name, CameraConfig] = Field(default_factory=dict, repr=False)
    changed: dict[Name, dict[str, Any]] = Field(default_factory=dict, repr=False)
    paused: dict[Name, bool] = Field(default_factory=dict)
    removed: tuple[Name, ...] = ()
    questions: dict[Name, QuestionConfig] = Field(default_factory=dict)
    removed_questions: tuple[Name, ...] = ()

    @classmethod
    def read(cls, text: str) -> Overlay:
        """Reads what :meth:`write` wrote.

        Raises:
            SettingsError: it is of another form.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError:
            raise SettingsError(
                "what the API changed can't be read: it was stored by another version of CoStream"
            ) from None

    def write(self) -> str:
        """Returns it as JSON, with the passwords that are in URLs."""
        return self.model_dump_json(by_alias=True, exclude_unset=True)

    def applied_to(self, config: ServiceConfig) -> ServiceConfig:
        """Returns the file's configuration with the changes.

        Raises:
            SettingsError: they don't fit it.
        """
        cameras = {
            name: self._camera(name, camera)
            for name, camera in config.cameras.items()
            if name not in self.removed
        }
        questions = {
            name: question
            for name, question in config.questions.items()
            if name not in self.removed_questions
        }
        return config.model_copy(
            update={
                "cameras": {**cameras, **self.added},
                "questions": {**questions, **self.questions},
            }
        )

    def with_camera(self, config: ServiceConfig, id: str, camera: CameraConfig) -> Overlay:
        """Adds a camera."""
        _check_name(id)
        there = self.applied_to(config).cameras
        if id in there:
            raise TakenError(f"there is a camera {id!r} already: choose another name")
        _check_room(len(there), MOST_CAMERAS, "cameras")
        return self._with(added={**self.added, id: camera})._checked(config, self)

    def with_changes(self, config: ServiceConfig, id: str, changes: Mapping[str, Any]) -> Overlay:
        """Changes fields of a camera, each as a whole; null gives a field its default."""
        self._known(config, id)
        if id in self.added:
            camera = _changed(id, self.added[id], changes)
            return self._with(added={**self.added, id: camera})._checked(config, self)
        all_changes = {**self.changed.get(id, {}), **changes}
        return self._with(changed={**self.changed, id: all_changes})._checked(config, self)

    def with_paused(self, config: ServiceConfig, id: str, paused: bool) -> Overlay:
        """Pauses a camera, or goes on with it."""
        camera = self._known(config, id)
        others = {name: value for name, value in self.paused.items() if name != id}
        own = {} if paused is not camera.enabled else {id: paused}
        return self._with(paused={**others, **own})

    def without_camera(self, config: ServiceConfig, id: str) -> Overlay:
        """Removes a camera, the file's or one that the API added."""
        self._known(config, id)
        in_file = (id,) if id in config.cameras else ()
        return self.without(id)._with(removed=(*self.removed, *in_file))

    def without(self, id: str) -> Overlay:
        """Takes back all that was changed of a camera: it is again as the file has it."""
        return self._with(
            added=_less(self.added, id),
            changed=_less(self.changed, id),
            paused=_less(self.paused, id),
            removed=tuple(name for name in self.removed if name != id),
        )

    def with_question(self, config: ServiceConfig, id: str, question: QuestionConfig) -> Overlay:
        """Adds a question or puts it in another's place."""
        _check_name(id)
        others = self.applied_to(config).questions.keys() - {id}
        _check_room(len(others), MOST_QUESTIONS, "questions")
        removed = tuple(name for name in self.removed_questions if name != id)
        questions = {**self.questions, id: question}
        changed = self._with(questions=questions, removed_questions=removed)
        return changed._checked(config, self)

    def without_question(self, config: ServiceConfig, id: str) -> Overlay:
        """Removes a question, the file's or one that the API added."""
        if id not in self.applied_to(config).questions:
            raise UnknownError(f"there is no question {id!r}")
        in_file = (id,) if id in config.questions else ()
        return self._with(
            questions=_less(self.questions, id),
            removed_questions=(*self.removed_questions, *in_file),
        )

    def fitted(self, config: ServiceConfig) -> tuple[Overlay, tuple[str, ...]]:
        """Returns what of it fits a file that may have changed, and in sentences what does not.

        Changes of cameras that are not in the file any more are left out, and so are those that
        come to nothing valid with what it says now.
        """
        found, told = self, []
        for name in sorted({*self.changed, *self.paused, *self.removed}):
            if name not in config.cameras and name not in self.added:
                found = found.without(name)
                told.append(f"the camera {name!r} is not in the file any more: its changes go, too")
        left = tuple(name for name in self.removed_questions if name in config.questions)
        found = found._with(removed_questions=left)
        for name, changes in found.changed.items():
            try:
                _changed(name, config.cameras[name], changes)
            except SettingsError as error:
                found = found._with(changed=_less(found.changed, name))
                told.append(f"{error}: what the API changed does not fit the file and is left out")
        told += [f"{dotted(path)}: {message}" for path, message in found._flaws(config)]
        return found, tuple(told)

    def _camera(self, name: str, camera: CameraConfig) -> CameraConfig:
        changes = self.changed.get(name)
        return camera if changes is None else _changed(name, camera, changes)

    def _known(self, config: ServiceConfig, id: str) -> CameraConfig:
        cameras = self.applied_to(config).cameras
        if id not in cameras:
            raise UnknownError(f"there is no camera {id!r}")
        return cameras[id]

    def _with(self, **changes: Any) -> Overlay:
        return self.model_copy(update=changes)

    def _checked(self, config: ServiceConfig, before: Overlay) -> Overlay:
        """Returns itself, where nothing is wrong that was not wrong before."""
        known = set(before._flaws(config))
        for path, message in self._flaws(config):
            if (path, message) not in known:
                raise SettingsError(f"{dotted(path)}: {message}")
        return self

    def _flaws(self, config: ServiceConfig) -> Iterator[tuple[Path, str]]:
        # Cameras may name questions that were removed since: they are not asked them.
        written = {"questions": {**config.questions, **self.questions}}
        yield from watched_flaws(self.applied_to(config), written)


NOTHING = Overlay()
"""No changes."""


def _less(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != name}


def _check_name(id: str) -> None:
    if not re.fullmatch(NAME, id):
        raise SettingsError(f"{id!r} {FORMS[NAME]}")


def _check_room(there: int, most: int, what: str) -> None:
    if there >= most:
        raise SettingsError(
            f"there are {there} {what}, and at most {most} may be: remove one first"
        )


def _changed(id: str, camera: CameraConfig, changes: Mapping[str, Any]) -> CameraConfig:
    """Returns a camera with fields changed.

    Raises:
        SettingsError: it is not a valid one.
    """
    values = camera.model_dump(mode="json", by_alias=True, exclude_unset=True)
    values = {k: value for k, value in {**values, **changes}.items() if value is not None}
    for path, message in flaws(CameraConfig, values):
        raise SettingsError(f"{dotted(('cameras', id, *path))}: {message}")
    return CameraConfig.model_validate(values)
