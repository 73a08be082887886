"""Where the settings files are looked for."""

from pathlib import Path

from anyclaude.errors import SetupError


def folders() -> tuple[Path, Path]:
    """The working directory and the home directory. Raises SetupError."""
    try:
        return Path.cwd(), Path.home()
    except OSError:
        raise SetupError("the working directory is gone; change to another") from None
    except RuntimeError:
        raise SetupError("there is no home directory; set HOME") from None
