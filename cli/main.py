"""The command `ringfence`: puts the commands together, and turns errors into one line and an exit code."""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cli import data, look, market, policies, runs, serving
from cli.common import AsJson, answer, give_way, say, table
from cli.demo import demo
from cli.log import configure_log
from cli.settings import DEBUG, SETTINGS
from graph.errors import RingfenceError
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


app = typer.Typer(
    cls=_Guarded,
    name="ringfence",
    help="Finds rings of coordinated refund abuse in a marketplace, explains them, and limits what they may buy.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def settings(as_json: AsJson = False) -> None:
    """List the environment variables that Ringfence reads, and which are set. Secrets are not shown."""
    rows = [
        (
            one.name,
            ("set" if one.secret else os.environ[one.name]) if os.environ.get(one.name) else "",
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


@app.callback()
def _start(
    _asked: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    configure_log(os.environ)


app.command("load")(data.load)
app.add_typer(data.quarantine, name="quarantine")
app.command("forget")(data.forget)
app.command("detect")(runs.detect)
app.command("publish")(runs.publish)
app.command("rollback")(runs.rollback)
app.command("runs")(runs.runs)
app.command("diff")(runs.diff)
app.add_typer(look.explain, name="explain")
app.command("export")(look.export_file)
app.command("status")(look.status)
app.add_typer(policies.policy, name="policy")
app.command("serve")(serving.serve)
app.command("token")(serving.token)
app.command("revoke")(serving.revoke_token)
app.command("simulate")(market.simulate_market)
app.command("demo")(demo)
app.command("settings")(settings)


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code (`cli.reference.EXIT_CODES`)."""
    try:
        app(args=list(arguments), prog_name="ringfence", standalone_mode=True)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except Exception as error:  # noqa: BLE001  whatever escapes is a defect, and told as one
        if os.environ.get(DEBUG):
            traceback.print_exc()
        say(f"ringfence: unexpected {type(error).__name__}: {error}; set {DEBUG}=1 to see where, and report it")
        return DEFECT
    return 0


def _terminate(_number: int, _frame: object) -> None:
    raise _Terminated


def main() -> None:
    """The entry point of the command."""
    signal.signal(signal.SIGTERM, _terminate)
    if sys.argv[1:2] and sys.argv[1] in _BATCH:
        give_way()
    sys.exit(run(sys.argv[1:]))
