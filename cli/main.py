"""The command `ringfence`: puts the commands together, and turns errors into one line and an exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import typer
from typer.core import TyperGroup

from cli.common import AsJson, answer, give_way, say, table
from cli.log import configure_log
from cli.settings import DEBUG, SETTINGS
from graph.errors import RingfenceError
from graph.open import masked_url
from integrity.version import ringfence_version

INTERRUPTED = 130
TERMINATED = 143
DEFECT = 70
_BATCH = ("load", "detect")


class _Terminated(KeyboardInterrupt):
    """SIGTERM: ends a command as Ctrl-C does, so that it lets go of what it holds on the way out."""


class _Guarded(TyperGroup):
    """Turns what a command runs into: an error that names its cause becomes one line and its exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except RingfenceError as error:
            say(f"ringfence: {error}")
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt as stopped:
            say("ringfence: interrupted; nothing unfinished is visible")
            raise typer.Exit(TERMINATED if isinstance(stopped, _Terminated) else INTERRUPTED) from None
        except BrokenPipeError:
            # whoever read the output has gone; there is nobody left to tell
            _give_up_output()
            raise typer.Exit(0) from None
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            _give_up_output()
            say("ringfence: the disk that the output goes to is full; free some space and run the command again")
            raise typer.Exit(RingfenceError.exit_code) from None


def _give_up_output() -> None:
    """Let what is still to be written go nowhere, so that ending doesn't fail on it once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


COMMANDS = (
    ("load", "cli.data:load"),
    ("quarantine", "cli.data:quarantine"),
    ("forget", "cli.data:forget"),
    ("prune", "cli.prune:prune"),
    ("detect", "cli.runs:detect"),
    ("publish", "cli.runs:publish"),
    ("rollback", "cli.runs:rollback"),
    ("runs", "cli.runs:runs"),
    ("diff", "cli.runs:diff"),
    ("explain", "cli.look:explain"),
    ("look", "cli.look_up:look"),
    ("remedies", "cli.remedies:remedies"),
    ("assess", "cli.assess:assess"),
    ("rates", "cli.assess:rates"),
    ("return-risk", "cli.return_risk:return_risk"),
    ("case", "cli.cases:case"),
    ("export", "cli.look:export_file"),
    ("status", "cli.look:status"),
    ("doctor", "cli.doctor:doctor"),
    ("complaint", "cli.complaints:complaint"),
    ("judge", "cli.judgements:judge"),
    ("appeal", "cli.appeals:appeal"),
    ("replay", "cli.audit:replay"),
    ("audit", "cli.audit:audit"),
    ("policy", "cli.policies:policy"),
    ("purchase-limit", "cli.purchase_limit:purchase_limit"),
    ("reserve", "cli.orders:reserve"),
    ("confirm", "cli.orders:confirm"),
    ("release", "cli.orders:release"),
    ("policy", "cli.policy_publishing:policy"),
    ("policy", "cli.policy_group:policy"),
    ("query", "cli.query:query"),
    ("serve", "cli.serving:serve"),
    ("token", "cli.serving:token"),
    ("revoke", "cli.serving:revoke_token"),
    ("simulate", "cli.market:simulate_market"),
    ("demo", "cli.demo:demo"),
    ("settings", "cli.main:settings"),
)
"""Every command, in the order of the help, and where it is."""


def application(only: str = "") -> typer.Typer:
    """The command line with all its commands, or with one alone: the others' parts then need not be read in."""
    app = typer.Typer(
        cls=_Guarded,
        name="ringfence",
        help="Finds rings of coordinated refund abuse in a marketplace, explains them, and limits what they may buy.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_start)
    for name, place in COMMANDS:
        if not only or name == only:
            module, _, attribute = place.partition(":")
            command = getattr(import_module(module), attribute)
            if isinstance(command, typer.Typer):
                app.add_typer(command, name=name)
            else:
                app.command(name)(command)
    return app


def settings(as_json: AsJson = False) -> None:
    """List the environment variables that Ringfence reads, and which are set. Secrets are not shown."""
    rows = [
        (
            one.name,
            ("set" if one.secret else masked_url(os.environ[one.name])) if os.environ.get(one.name) else "",
            one.default,
            one.doc,
        )
        for one in SETTINGS
    ]
    names = ("variable", "set to", "default", "meaning")
    found = [dict(zip(names, row, strict=True)) for row in rows]
    answer(found, as_json, lambda: table(*names, rows=list(rows)))


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"ringfence {ringfence_version()}")
        raise typer.Exit


def _start(
    _asked: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    configure_log(os.environ)


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code (`cli.reference.EXIT_CODES`)."""
    first = arguments[0] if arguments else ""
    try:
        app = application(first if first in dict(COMMANDS) else "")
        app(args=list(arguments), prog_name="ringfence", standalone_mode=True)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except KeyboardInterrupt as stopped:  # before the command began: nothing was done
        return TERMINATED if isinstance(stopped, _Terminated) else INTERRUPTED
    except Exception as error:  # noqa: BLE001  whatever escapes is a defect, and told as one
        if os.environ.get(DEBUG):
            traceback.print_exc()
        say(f"ringfence: unexpected {type(error).__name__}: {error}; set {DEBUG}=1 to see where, and report it")
        return DEFECT
    return 0


class _NoPandas(MetaPathFinder):
    """Finds no pandas, where it is installed too."""

    def find_spec(self, fullname: str, _path: object, _target: object = None) -> None:
        """Raise as an import does that finds nothing."""
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname)


def _spare_pandas() -> None:
    """Make up pyarrow's mind that there is no pandas: it asks once, with the first list that is made into an array, and
    would read all of pandas in, a tenth of a whole detection, to see that no list here is one of its series. A None in
    `sys.modules`, as igraph's matplotlib is hidden by, is taken for pandas by it and fails."""
    nothing = _NoPandas()
    sys.meta_path.insert(0, nothing)
    pa.array([None])
    sys.meta_path.remove(nothing)


def _spare_numpy() -> None:
    """Have scipy find two parts of numpy that nobody here looks at, instead of reading them in: it takes over all names
    that numpy has, Fortran wrappers and testing tools among them."""
    for name in ("f2py", "testing"):
        if f"numpy.{name}" not in sys.modules:
            setattr(np, name, None)


def _terminate(_number: int, _frame: object) -> None:
    raise _Terminated


def main() -> None:
    """The entry point of the command."""
    signal.signal(signal.SIGTERM, _terminate)
    _spare_pandas()
    if sys.argv[1:2] and sys.argv[1] in _BATCH:
        give_way()
        _spare_numpy()
    code = run(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    if sys.argv[1:2] and sys.argv[1] in _BATCH:
        # all is written: taking a market's objects apart one by one would only keep the user waiting
        os._exit(code)
    sys.exit(code)
