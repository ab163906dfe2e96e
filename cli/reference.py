"""The reference of commands, settings and exit codes as Markdown, read from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any

import typer.main

from cli.main import DEFECT, INTERRUPTED, TERMINATED, application
from cli.settings import settings_markdown
from graph.errors import (
    BadInput,
    Forbidden,
    KeyProblem,
    LeaseHeld,
    LeaseLost,
    NotFound,
    RingfenceError,
    RunHeld,
    StoreProblem,
    Tampered,
)

EXIT_CODES: tuple[tuple[int, str], ...] = (
    (0, "Done."),
    (RingfenceError.exit_code, "An error that none of the others names."),
    (2, "The command line is wrong: an unknown command or option, a missing argument."),
    (BadInput.exit_code, (BadInput.__doc__ or "").strip()),
    (LeaseHeld.exit_code, f"{(LeaseHeld.__doc__ or '').strip()} Or: {(LeaseLost.__doc__ or '').strip()}"),
    (KeyProblem.exit_code, (KeyProblem.__doc__ or "").strip()),
    (StoreProblem.exit_code, (StoreProblem.__doc__ or "").strip()),
    (RunHeld.exit_code, (RunHeld.__doc__ or "").strip()),
    (NotFound.exit_code, (NotFound.__doc__ or "").strip()),
    (Tampered.exit_code, (Tampered.__doc__ or "").strip()),
    (Forbidden.exit_code, (Forbidden.__doc__ or "").strip()),
    (DEFECT, "Something unexpected: a defect of Ringfence. `RINGFENCE_DEBUG=1` shows where."),
    (INTERRUPTED, "Interrupted (Ctrl-C); nothing unfinished is visible."),
    (TERMINATED, "Ended by SIGTERM; nothing unfinished is visible. `serve` and `detect --every` end with 0."),
)
"""Exit codes of every command and what they mean."""


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with its full name, in the order of `ringfence --help`."""
    yield from _walk(typer.main.get_command(application()), "ringfence")


def commands_markdown() -> str:
    """All commands with their arguments and options, as one Markdown page."""
    lines = ["# Commands", ""]
    for name, command in commands():
        lines += [f"## `{name}`", "", " ".join((command.help or "").split()), ""]
        rows = [_row(param) for param in command.params if not getattr(param, "hidden", False)]
        if rows:
            lines += ["| argument or option | default | meaning |", "|---|---|---|", *rows, ""]
    return "\n".join(lines)


def exit_codes_markdown() -> str:
    """The exit codes as a Markdown table."""
    lines = ["# Exit codes", "", "| code | meaning |", "|---|---|"]
    lines += [f"| {code} | {' '.join(meaning.split())} |" for code, meaning in EXIT_CODES]
    return "\n".join([*lines, ""])


def reference_markdown() -> str:
    """Commands, settings and exit codes, one after the other."""
    return "\n".join([commands_markdown(), settings_markdown(), exit_codes_markdown()])


def _walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
        return
    for word, one in inner.items():
        yield from _walk(one, f"{name} {word}")


def _choices(param: Any) -> list[str]:
    """The values of an option that takes one of a few."""
    annotation = getattr(getattr(param, "type_descriptor", None), "annotation", None)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(one.value) for one in annotation]
    return []


def _row(param: Any) -> str:
    option = param.param_type_name == "option"
    metavar = param.metavar or ("" if getattr(param, "is_flag", False) else param.name.upper())
    shown = f"{', '.join(param.opts)} {metavar}".strip() if option else metavar
    default = param.default
    if param.required:
        text = "required"
    elif default in (None, "", False) or callable(default):
        text = ""
    else:
        text = f"`{getattr(default, 'value', default)}`"
    help_text = " ".join((getattr(param, "help", None) or "").split()).replace("|", "\\|")
    choices = _choices(param)
    if choices:
        help_text += " One of " + ", ".join(f"`{one}`" for one in choices) + "."
    return f"| `{shown}` | {text} | {help_text} |"
