"""Prints the oldest versions that a wheel admits of what it depends on, as constraints for pip.

    python scripts/oldest.py WHEEL

Not torch: it is large, and which builds of it can be had differs from place to place.
"""

from __future__ import annotations

import sys
from importlib.metadata import distributions

from packaging.requirements import Requirement


def is_of_engine(requirement: Requirement) -> bool:
    """Whether a requirement holds where the package is installed with its engine, and no more."""
    return requirement.marker is None or requirement.marker.evaluate({"extra": "engine"})


def oldest(requirement: Requirement) -> str:
    """Returns the lower bound of a requirement as the one version that is admitted.

    Raises:
        ValueError: it has none, or more than one.
    """
    (lower,) = (spec.version for spec in requirement.specifier if spec.operator == ">=")
    return f"{requirement.name}=={lower}"


def main(wheel: str) -> None:
    """Prints the constraints, a line each, without those of optional parts but the engine."""
    (package,) = distributions(path=[wheel])
    for requirement in map(Requirement, package.requires or ()):
        if is_of_engine(requirement) and requirement.name != "torch":
            print(oldest(requirement))


if __name__ == "__main__":
    main(sys.argv[1])
