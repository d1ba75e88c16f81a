"""Routes of questions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body

from costream.errors import UnknownError
from costream.serve.api.access import Service
from costream.serve.api.errors import ERRORS
from costream.serve.api.schema import Id, Questions
from costream.serve.config.model import QuestionConfig

router = APIRouter(prefix="/api/questions", tags=["questions"], responses=ERRORS)

_EXAMPLES = [{"ask": "Has a person fallen?", "alerts": {"threshold": 0.7, "for": "4s"}}]


@router.get("", summary="All questions")
def list_questions(service: Service) -> Questions:
    """Returns all questions by their names."""
    return Questions(questions=dict(service.questions()))


@router.get("/{id}", summary="A question", response_model_exclude_unset=True)
def get_question(service: Service, id: Id) -> QuestionConfig:
    """Returns a question."""
    return _found(service, id)


@router.put("/{id}", summary="Add or replace a question", response_model_exclude_unset=True)
def put_question(
    service: Service, id: Id, question: Annotated[QuestionConfig, Body(examples=_EXAMPLES)]
) -> QuestionConfig:
    """Adds a question or replaces it. Cameras are asked it from their next window on."""
    service.put_question(id, question)
    return _found(service, id)


@router.delete("/{id}", status_code=204, summary="Remove a question")
def remove_question(service: Service, id: Id) -> None:
    """Removes a question. Its events stay."""
    service.remove_question(id)


def _found(service: Service, id: str) -> QuestionConfig:
    try:
        return service.questions()[id]
    except KeyError:
        raise UnknownError(f"there is no question {id}") from None
