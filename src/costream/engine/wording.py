"""How a question is put to a model."""

from __future__ import annotations

PUBLISHED_FORM = "{ask} Start your response with 'Yes' or 'No'."
"""How a question is put: the published wording (arXiv 2604.06036)."""


def put(ask: str, form: str) -> str:
    """Returns a question the way that a model is asked it: in a form that holds ``{ask}``."""
    return form.replace("{ask}", ask)
