"""The declared schema as a page of Markdown: the tables with drawings of how they hang together, as rows and as the
graph that people walk on a Neo4j server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from graph.neo4j.drawing import EDGES, EXPORTED, FOUND, Edge
from graph.neo4j.model import INTERNAL, KIND_LABELS
from graph.schema import BY_NAME, IDENTIFIER_KINDS, SCHEMA_VERSION, TABLES, Kind, Table

_KINDS = {
    Kind.SOURCE: "What the platform exported. Every version of a row is kept with the load that brought it.",
    Kind.PLACE: "Identifiers by pseudonym. Rows are added and never changed.",
    Kind.RUN: "What one detection run found and decided. Written under the run's id and never changed.",
}


def schema_markdown() -> str:
    """The reference page. Built from what is declared alone, so that it can't differ from what stores hold."""
    lines = [
        "# Schema",
        "",
        f"Schema version {SCHEMA_VERSION}. Instants are UTC microseconds since 1970, money is integer minor units of "
        "the row's currency, a key is a 16-byte pseudonym. A namespace stands first in every key.",
        "",
        "Kinds of identifier: " + ", ".join(f"`{kind}`" for kind in IDENTIFIER_KINDS) + ".",
        "",
        *_graph(),
        "## The tables",
        "",
        "Which column of a table names a row of which other; both stores hold these.",
        "",
        *_mermaid((table.name, column, target) for table in TABLES for _, column, target in table.links),
    ]
    for kind, text in _KINDS.items():
        lines += ["", f"## {kind.value.capitalize()} tables", "", text]
        for table in TABLES:
            if table.kind is kind:
                lines += _section(table)
    return "\n".join(lines) + "\n"


def _graph() -> Iterator[str]:
    yield from ("## The graph", "")
    yield "What readers see on a Neo4j server is a graph to walk ([questions to ask it](../cypher.md)). The exports:"
    yield ""
    yield from _mermaid((edge.begin, edge.name, edge.end) for edge in EXPORTED)
    yield from ("", "and what the published run found in them:", "")
    yield from _mermaid((edge.begin, edge.name, edge.end) for edge in FOUND)
    labels = ", ".join(f"`{label}`" for label in KIND_LABELS.values())
    yield ""
    yield (
        f"An identifier has two labels, `Identifier` and that of its kind: {labels}. A row has two as well: its own, "
        "and that of its record (`Order` and `OrderRecord`), which earlier versions and rows of unfinished loads have "
        "alone, but for some of a namespace's first load (ADR 6). `Buyer` and `Store` stand for the account and the "
        "store themselves, known from a row of their own or from orders only; `Picture` for all pictures of one hash. "
        "Everything carries its namespace in `ns`, what a run found its `run_id`. The store's own "
        "nodes: " + ", ".join(f"`{label}`" for label in [*INTERNAL, "Take"]) + "."
    )
    yield ""
    yield "Not drawn, and found by the columns that name them (each is indexed): " + "; ".join(_undrawn()) + "."
    yield from ("", "| relationship | properties | meaning |", "|---|---|---|")
    for edge in EDGES:
        names = ", ".join(f"`{name}`" for name, _ in edge.properties)
        yield f"| `(:{edge.begin})-[:{edge.name}]->(:{edge.end})` | {names} | {edge.doc} |"
    meanings = dict(one for edge in EDGES for one in edge.properties)
    yield ""
    yield "Their properties: " + "; ".join(f"`{name}`: {meaning}" for name, meaning in meanings.items()) + "."
    yield ""


def _undrawn() -> Iterator[str]:
    """What rows name of others without a relationship of their own."""
    for table in TABLES:
        columns = [one for _, one, target in table.links if one in table.indexes and not _drawn(table, target)]
        if columns:
            names = ", ".join(f"`{column}`" for column in columns)
            yield f"`{table.label}` by {names}"


def _drawn(table: Table, target: str) -> bool:
    """Whether a relationship stands for that a row names one of `target`."""
    ends = {table.label, BY_NAME[target].label}
    return any({edge.begin, _base(edge)} == ends for edge in EDGES)


def _base(edge: Edge) -> str:
    return "Identifier" if edge.end in KIND_LABELS.values() else edge.end


def _mermaid(edges: Iterable[tuple[str, str, str]]) -> list[str]:
    return ["```mermaid", "graph LR", *(f"  {begin} -- {name} --> {end}" for begin, name, end in edges), "```"]


def _section(table: Table) -> list[str]:
    lines = ["", f"### {table.name}", "", f"Label `{table.label}`. {table.doc}", ""]
    lines += ["| column | type | | meaning |", "|---|---|---|---|"]
    for column in table.columns:
        marks = []
        if column.name == table.id:
            marks.append("id")
        elif column.name in table.indexes:
            marks.append("indexed")
        if column.name == table.at:
            marks.append("event time")
        if column.required:
            marks.append("required")
        lines.append(
            f"| `{column.name}` | {column.type.value} | {', '.join(marks)} | {column.doc.replace('|', '&#124;')} |"
        )
    if table.links:
        lines += ["", "Names rows of others: " + ", ".join(_link(*link) for link in table.links) + "."]
    return lines


def _link(_: str, column: str, target: str) -> str:
    return f"`{column}` of [{target}](#{target})"
