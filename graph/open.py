"""Opening a store by URL, the default URL, and URLs that are safe to show."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import platformdirs

from graph.errors import StoreProblem
from graph.sqlite import SqliteStore
from graph.store import Store

_SQLITE = "sqlite:///"
NEO4J_SCHEMES = ("neo4j", "neo4j+s", "neo4j+ssc", "bolt", "bolt+s", "bolt+ssc")
CA_VARIABLE = "RINGFENCE_NEO4J_CA"
"""Names a file of certificates (PEM) that a Neo4j server's is checked against."""


def open_store(
    url: str,
    *,
    namespace: str = "default",
    create: bool = True,
    readonly: bool = False,
    patience: float | None = None,
) -> Store:
    """The store at `url`, for one namespace.

    `sqlite:///name.db` is a file relative to the working folder, `sqlite:////folder/name.db` an absolute one; it is
    made where it is missing unless `create` is false or `readonly` true. `patience` is for how many seconds a server
    that is away is waited for, where that is to be less than a load or a run takes; a file is never away. Raises
    `StoreProblem` for a URL of another form and for a file that can't be opened."""
    shown = masked_url(url)
    if url.partition("://")[0] in NEO4J_SCHEMES:
        from graph.neo4j import Neo4jStore

        ca = os.environ.get(CA_VARIABLE, "")
        return Neo4jStore(
            url, shown=shown, namespace=namespace, create=create, readonly=readonly, ca=ca, patience=patience
        )
    if not url.startswith(_SQLITE):
        scheme = url.partition(":")[0]
        what = "there is no store of this kind" if "://" in url else "this is no store URL"
        if scheme == "sqlite":
            what = "a SQLite URL has three slashes before the path"
        raise StoreProblem(
            what, where=shown or "store URL", do="give sqlite:///path or neo4j://user:password@host:port/database"
        )
    path = url.removeprefix(_SQLITE)
    if not path or path.startswith(":memory:"):
        raise StoreProblem("the URL names no file", where=shown, do="give sqlite:///path")
    if "\0" in path:
        raise StoreProblem("the URL holds a NUL character", where="store URL", do="give sqlite:///path")
    return SqliteStore(Path(path), url=shown, namespace=namespace, create=create, readonly=readonly)


def default_url(env: Mapping[str, str]) -> str:
    """`RINGFENCE_STORE` where it is set and not empty, else a file in the user's data folder."""
    named = env.get("RINGFENCE_STORE", "")
    if named:
        return named
    return f"{_SQLITE}{Path(platformdirs.user_data_dir('ringfence', appauthor=False)) / 'ringfence.db'}"


def masked_url(url: str) -> str:
    """The URL with a password, where it has one, as `***`: safe to show and to log."""
    if url.startswith("sqlite:"):
        return url
    try:
        password = urlsplit(url).password
    except ValueError:
        password = ""
    if password is None:
        return url
    # the last @ before the path ends the password, as drivers read it; where a URL can't be read all is hidden
    return re.sub(r"^([a-z0-9+.-]+://[^:/@]*:).*@", r"\1***@", url, flags=re.IGNORECASE | re.DOTALL)
