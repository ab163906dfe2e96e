"""The store contract on a Neo4j server (5.26 and later, Community or Enterprise)."""

from graph.neo4j.store import Neo4jStore

__all__ = ["Neo4jStore"]
