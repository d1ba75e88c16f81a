"""Prints the oldest versions that a wheel admits of what it depends on, as constraints for pip.

    python scripts/oldest.py WHEEL [EXTRA]...

Not torch: it is large, and which builds of it can be had differs from place to place.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import distributions

from packaging.requirements import Requirement


def oldest(requirement: Requirement) -> str:
    """Returns the lower bound of a requirement as the one version that is admitted.

    Raises:
        ValueError: it has none, or more than one.
    """
    (lower,) = (spec.version for spec in requirement.specifier if spec.operator == ">=")
    return f"{requirement.name}=={lower}"


def is_asked_for(requirement: Requirement, extras: Sequence[str]) -> bool:
    """Whether a package depends on it, installed with these optional parts."""
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras)


def main(wheel: str, *extras: str) -> None:
    """Prints the constraints, a line each, with those of these optional parts alone.

    Parts that an optional part brings along are named as well.
    """
    (package,) = distributions(path=[wheel])
    for requirement in map(Requirement, package.requires or ()):
        elsewhere = requirement.name in ("torch", package.name)
        if not elsewhere and is_asked_for(requirement, extras):
            print(oldest(requirement))


if __name__ == "__main__":
    main(*sys.argv[1:])
