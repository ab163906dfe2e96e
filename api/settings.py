"""What a deployment may set about the API: limits against hostile queries, pages, and how fast changes are noticed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


def _setting(default: int | float, doc: str) -> int:
    return field(default=default, metadata={"doc": doc})  # type: ignore[return-value]  # as dataclasses.field is typed


@dataclass(frozen=True)
class ApiSettings:
    """Limits of the API. Each field's `doc` metadata is printed in the reference."""

    max_body_bytes: int = _setting(262_144, "bytes of a request's body")
    max_query_bytes: int = _setting(16_384, "bytes of a query's text")
    max_tokens: int = _setting(2_000, "lexical tokens of a query")
    max_depth: int = _setting(12, "nested selections of a query, introspection left out")
    max_selections: int = _setting(600, "fields of a query once its fragments are spread")
    max_aliases: int = _setting(15, "aliased fields of a query")
    max_root_fields: int = _setting(10, "fields at the root of a query")
    max_cost: int = _setting(20_000, "estimated fields of the answer, pages multiplied out")
    max_page: int = _setting(100, "largest `first` of a list")
    max_batch: int = _setting(100, "purchase limits in one batch")
    max_user_rows: int = _setting(250_000, "rows read at most to answer one list of an identifier, account or path")
    cached_documents: int = _setting(512, "parsed and validated queries kept, by their text")
    workers: int = _setting(2, "threads that answer investigators; checkout has its own")
    poll_seconds: float = _setting(0.25, "how often the store is asked for a new run and for revoked tokens")
    store_seconds: float = _setting(1.5, "how long an answer waits for a store's server that is away")
    audit_seconds: float = _setting(0.5, "how often the order service's look-ups are written to the audit journal")
    seal_seconds: float = _setting(60.0, "how often new lines of the audit journal are put under a seal")
    graphiql_assets: Path | None = field(
        default=None, metadata={"doc": "folder of GraphiQL's assets; where empty, the user's data folder"}
    )
