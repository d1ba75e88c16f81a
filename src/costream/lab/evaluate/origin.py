"""What made a result: the weights and the code, told apart by fingerprints."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from importlib import util
from importlib.metadata import version
from pathlib import Path

import costream
from costream.models import ModelAdapter
from costream.models.fingerprint import fingerprint

DECIDING = (
    "video",
    "pruning",
    "preprocessing",
    "models",
    "engine",
    "settings.py",
    "registry.py",
)
"""Stations and modules of the package that decide what is answered."""

LIBRARIES = ("torch", "transformers", "av", "numpy")
"""Libraries that do."""

_NATIVE = ("costream._bitstream", "costream._pixels")
_RUNNER = "lab/evaluate/runner.py"
_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Origin:
    """Who answered.

    Attributes:
        model: the model's name and dtype.
        weights: fingerprint of what was loaded under that name.
        code: fingerprint of the code that decides answers.
        versions: of the package and the libraries that do, and the kind of device.
    """

    model: str
    weights: str
    code: str
    versions: str

    @classmethod
    def of(cls, model: ModelAdapter, name: str) -> Origin:
        """Takes the fingerprints of a loaded model and of the code as it is installed."""
        shape = model.kv_shape
        dtype = str(shape.dtype).removeprefix("torch.")
        libraries = [f"{library} {version(library)}" for library in LIBRARIES]
        ours = f"costream {costream.__version__}"
        versions = ", ".join([ours, *libraries, f"on {shape.device.type}"])
        return cls(f"{name} in {dtype}", fingerprint(model), code_fingerprint(), versions)

    def difference(self, other: Origin) -> str | None:
        """Returns in what another origin differs, or None where its results are as good as ours."""
        if self.weights != other.weights:
            return "other weights"
        if self.code != other.code:
            return "other code"
        return None if self.versions == other.versions else f"other versions ({other.versions})"


@lru_cache(maxsize=1)
def code_fingerprint() -> str:
    """Returns 16 hexadecimal digits of the code that decides answers, native modules included."""
    root = Path(costream.__file__).parent
    digest = hashlib.sha256()
    for file in sorted(_files(root)):
        digest.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes())
    for name in _NATIVE:
        native = util.find_spec(name)
        if native is not None and native.origin is not None:
            digest.update(Path(native.origin).read_bytes())
    return digest.hexdigest()[:_DIGITS]


def _files(root: Path) -> list[Path]:
    found = [root / _RUNNER]
    for name in DECIDING:
        place = root / name
        found += sorted(place.rglob("*.py")) if place.is_dir() else [place]
    return found
