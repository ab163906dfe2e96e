"""The schema's reference page names everything that is declared."""

from __future__ import annotations

from graph.neo4j.drawing import EDGES, EXPORTED, FOUND
from graph.reference import schema_markdown
from graph.schema import TABLES


def test_every_table_column_and_link_is_on_the_page():
    page = schema_markdown()
    for table in TABLES:
        _, _, rest = page.partition(f"\n### {table.name}\n")
        section = rest.partition("\n### ")[0]
        assert table.doc in section
        for column in table.columns:
            assert f"| `{column.name}` | {column.type.value} |" in section
        for _, column, target in table.links:
            assert f"  {table.name} -- {column} --> {target}\n" in page
            assert f"`{column}` of [{target}]" in section


def test_every_relationship_is_drawn_and_explained_and_what_has_none_is_said():
    page = schema_markdown()
    for edge in (*EXPORTED, *FOUND):
        assert f"  {edge.begin} -- {edge.name} --> {edge.end}\n" in page
    for edge in EDGES:
        (row,) = [line for line in page.splitlines() if f"(:{edge.begin})-[:{edge.name}]->(:{edge.end})" in line]
        assert edge.doc in row
        for name, meaning in edge.properties:
            assert f"`{name}`" in row
            assert f"`{name}`: {meaning}" in page
    (undrawn,) = [line for line in page.splitlines() if line.startswith("Not drawn")]
    assert "`Item` by `order_id`" in undrawn
    assert "`Order` by " in undrawn, "an order's own device and address"
    assert "Item -- IN" not in page
    assert page.count("```") == 6
