"""One value that somebody gave: what every layer of the configuration is a list of."""

from dataclasses import dataclass

FieldPath = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """path: of the setting in `Settings`. origin: the name of a variable, a flag, or a file and its key."""

    path: FieldPath
    value: object
    origin: str
