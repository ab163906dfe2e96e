"""What the API does, a command does: the table of both is whole, and what it names is there."""

from __future__ import annotations

from api.schema import core_schema
from cli.parity import ALONE, FIELDS
from cli.reference import commands

COMMANDS = {name.removeprefix("ringfence "): command for name, command in commands()}


def _parts(text: str) -> tuple[str, list[str]]:
    words = text.split()
    return " ".join(word for word in words if not word.startswith("--")), [w for w in words if w.startswith("--")]


def test_every_root_field_has_a_command_or_says_why_there_is_none() -> None:
    types = core_schema().type_map
    fields = {f"{kind}.{name}" for kind in ("Query", "Mutation") for name in types[kind].fields}  # type: ignore[attr-defined]
    assert fields == FIELDS.keys()
    assert [field for field, same in FIELDS.items() if not same.commands and not same.note] == []


def test_every_command_and_option_that_the_table_names_exists() -> None:
    for same in FIELDS.values():
        for text in same.commands:
            name, options = _parts(text)
            assert name in COMMANDS, text
            known = {option for param in COMMANDS[name].params for option in param.opts}
            assert set(options) <= known, text


def test_every_command_does_what_a_field_does_or_says_why_there_is_none() -> None:
    named = {_parts(text)[0] for same in FIELDS.values() for text in same.commands}
    assert named & ALONE.keys() == set()
    assert COMMANDS.keys() - named == ALONE.keys()
    assert all(ALONE.values())
