"""Links the torch of this environment into a folder, for other environments to see it alone.

    python scripts/link_torch.py FOLDER

It takes a gigabyte and most of a minute to install. Nothing else of this environment is seen.
"""

from __future__ import annotations

import sys
from importlib.metadata import distribution
from pathlib import Path


def main(folder: Path) -> None:
    """Links everything that the distribution of torch put beside other packages."""
    torch = distribution("torch")
    names = {file.parts[0] for file in torch.files or ()} - {"..", "__pycache__"}
    for name in sorted(names):
        (folder / name).symlink_to(Path(str(torch.locate_file(name))).resolve())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
