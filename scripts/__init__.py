"""What a checkout needs besides the product: a Neo4j server for tests and for trying."""
