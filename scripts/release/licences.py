"""Write docs/reference/licences.md: the licence of each package that an installation brings, as the package tells it.

Run it in the checkout's environment after `make lock`. Packages that only other systems get stand in a table below.
"""

import re
import sys
from importlib.metadata import PackageNotFoundError, metadata
from typing import Final

from artefacts import ROOT

PAGE: Final = ROOT / "docs/reference/licences.md"
ELSEWHERE: Final = {"colorama": "BSD-3-Clause", "httpx2-jsfetch": "BSD-3-Clause", "mlx-metal": "MIT"}
_PINNED: Final = re.compile(r"^([\w.-]+)==", re.MULTILINE)
_LONGEST: Final = 80
"""Some packages tell the whole text."""

HEAD: Final = """# Licences

anyclaude is under the MIT licence, and its wheel holds nothing of others. These packages are installed beside it, each
with the text of its licence, by `anyclaude` with its extras and by what builds it; the proxy alone brings a third of
them. Their licences allow to use them, and to pass them on with it; zeroconf's LGPL, and the MPL of some, ask for the
source of what is changed in them, and nothing is. `scripts/release/licences.py` writes this page.

| package | licence |
|---|---|
"""


def pinned() -> list[str]:
    """The names in the lock of what runs and builds."""
    return sorted(set(_PINNED.findall((ROOT / "requirements/run.txt").read_text())))


def licence_of(package: str) -> str:
    """As an SPDX expression where it tells one. Raises LookupError where it tells nothing."""
    try:
        told = metadata(package)
    except PackageNotFoundError:
        return ELSEWHERE[package]
    classified = [
        line.rpartition(" :: ")[2] for line in told.get_all("Classifier", ()) if line.startswith("License ::")
    ]
    texts = (told["License-Expression"], told["License"], " or ".join(classified))
    return next(text for text in texts if text and len(text) < _LONGEST)


def main() -> int:
    PAGE.write_text(HEAD + "".join(f"| {package} | {licence_of(package)} |\n" for package in pinned()))
    print(f"{len(pinned())} packages in {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
