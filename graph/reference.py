"""The declared schema as a page of Markdown: tables, columns, and a drawing of how they hang together."""

from __future__ import annotations

from graph.schema import BY_NAME, IDENTIFIER_KINDS, SCHEMA_VERSION, TABLES, Kind, Table

_KINDS = {
    Kind.SOURCE: "What the platform exported. Every version of a row is kept with the load that brought it.",
    Kind.PLACE: "Identifiers by pseudonym. Rows are added and never changed.",
    Kind.RUN: "What one detection run found and decided. Written under the run's id and never changed.",
}


def schema_markdown() -> str:
    """The reference page. Built from `graph.schema.TABLES` alone, so that it can't differ from what stores hold."""
    lines = [
        "# Schema",
        "",
        f"Schema version {SCHEMA_VERSION}. Instants are UTC microseconds since 1970, money is integer minor units of "
        "the row's currency, a key is a 16-byte pseudonym. A namespace stands first in every key.",
        "",
        "Kinds of identifier: " + ", ".join(f"`{kind}`" for kind in IDENTIFIER_KINDS) + ".",
        "",
        *_drawing(),
    ]
    for kind, text in _KINDS.items():
        lines += ["", f"## {kind.value.capitalize()} tables", "", text]
        for table in TABLES:
            if table.kind is kind:
                lines += _section(table)
    return "\n".join(lines) + "\n"


def _drawing() -> list[str]:
    lines = ["```mermaid", "graph LR"]
    lines += [f'  {table.name}["{table.label}"]' for table in TABLES]
    for table in TABLES:
        lines += [f"  {table.name} -- {relationship} --> {target}" for relationship, _, target in table.links]
    return [*lines, "```"]


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
        lines += ["", "Links: " + ", ".join(_link(*link) for link in table.links) + "."]
    return lines


def _link(relationship: str, column: str, target: str) -> str:
    return f"`{relationship}` by `{column}` to [{BY_NAME[target].name}](#{BY_NAME[target].name})"
