"""The way to a server: what a store URL says of it, how it is encrypted, and a driver over it."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import neo4j
from neo4j import exceptions as failures

from graph.errors import StoreProblem

_DO = "give neo4j://user:password@host:port/database"


@dataclass(frozen=True)
class Way:
    """Where a server is and as whom it is asked; `where` is the URL without its password."""

    scheme: str
    address: str
    user: str
    password: str = field(repr=False)
    database: str
    where: str
    trust: dict[str, Any] = field(repr=False)

    @classmethod
    def of(cls, url: str, *, where: str, ca: str = "") -> Way:
        """Read a store URL. `ca` names a file of certificates (PEM) that the server's is checked against, whatever the
        scheme. Raises `StoreProblem`."""
        unread = StoreProblem("the URL can't be read", where=where, do=_DO)
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise unread from None
        if not parts.hostname or parse_qs(parts.query) or parts.fragment:
            raise unread
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        trust = _trust(ca, where)
        return cls(
            # a context of our own stands for what the scheme says of certificates
            scheme=parts.scheme.partition("+")[0] if trust else parts.scheme,
            address=f"{host}:{port or 7687}",
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            database=unquote(parts.path.strip("/")) or "neo4j",
            where=where,
            trust=trust,
        )

    def driver(self, seconds: float, *, direct: bool = False) -> neo4j.Driver:
        """A driver that gets a connection in so many seconds or fails; `direct` asks nobody else for the way. The
        caller closes it. Raises `StoreProblem`."""
        scheme = re.sub("^neo4j", "bolt", self.scheme) if direct else self.scheme
        try:
            return neo4j.GraphDatabase.driver(
                f"{scheme}://{self.address}",
                auth=(self.user, self.password) if self.user else None,
                max_connection_pool_size=64,
                connection_acquisition_timeout=seconds,
                connection_timeout=min(seconds, 10.0),
                max_transaction_retry_time=0,  # it is tried again by `graph.neo4j.waiting`
                notifications_min_severity="OFF",
                user_agent="ringfence",
                **self.trust,
            )
        except (failures.DriverError, ValueError, OSError) as error:
            raise StoreProblem(f"the URL does not hold ({type(error).__name__})", where=self.where, do=_DO) from None

    def tried(self, seconds: float) -> Exception | None:
        """Why the server gives no new connection in so many seconds; None where it does."""
        try:
            with self.driver(seconds, direct=True) as driver:
                driver.get_server_info()
        except (failures.Neo4jError, failures.DriverError, OSError, StoreProblem) as error:
            return error
        return None

    def opens(self, seconds: float) -> bool:
        """Whether the server answers a new connection in so many seconds; a refusal is an answer."""
        error = self.tried(seconds)
        return error is None or isinstance(error, failures.Neo4jError)


def _trust(ca: str, where: str) -> dict[str, Any]:
    if not ca:
        return {}
    try:
        return {"encrypted": True, "ssl_context": ssl.create_default_context(cafile=ca)}
    except (OSError, ValueError) as error:
        what = f"its certificates do not hold ({type(error).__name__})"
        raise StoreProblem(what, where=where, do="let RINGFENCE_NEO4J_CA name a file of certificates (PEM)") from None
