"""What may be typed is what is parsed, and one who asks the parsers gets all of it."""

import argparse
from pathlib import Path

from anyclaude.cli.args import FLAGS
from anyclaude.cli.commands import COMMANDS
from anyclaude.cli.words import Option, Values, _levels, levels


def test_a_parser_is_read_with_all_that_it_takes() -> None:
    parser = argparse.ArgumentParser(description="Cook.", add_help=False)
    parser.add_argument("--hidden", help=argparse.SUPPRESS)
    parser.add_argument("-v", "--verbose", action="store_true", help="say more")
    commands = parser.add_subparsers()
    baking = commands.add_parser("bake", help="in the oven", add_help=False)
    baking.add_argument("--heat", choices=("low", "high"), help="how hot")
    baking.add_argument("--book", type=Path, help="what to follow")
    baking.add_argument("kind", choices=("cake", "bread"), help="what")
    baking.add_argument("dough", metavar="FILE", help="of what")
    top, bake = _levels(("cook",), parser)
    assert top == (("cook",), "Cook.", {"bake": "in the oven"}, (Option(("-v", "--verbose"), "say more"),), Values())
    assert bake.path == ("cook", "bake")
    assert bake.options == (
        Option(("--heat",), "how hot", Values(("low", "high"))),
        Option(("--book",), "what to follow", Values(files=True)),
    )
    assert bake.rest == Values(("cake", "bread"), files=True)


def test_the_top_has_every_command_and_flag() -> None:
    top, *below = levels()
    assert [*top.commands] == [*COMMANDS]
    assert [option.names[0] for option in top.options] == [flag.name for flag in FLAGS]
    assert {level.path[0] for level in below} == {*COMMANDS}
    assert ("trace", "show") in [level.path for level in below]
