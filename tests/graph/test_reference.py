"""The schema's reference page names everything that is declared."""

from __future__ import annotations

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
        for relationship, _, target in table.links:
            assert f"  {table.name} -- {relationship} --> {target}\n" in page
    assert page.count("```") == 2
