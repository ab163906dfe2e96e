"""The GraphQL schema, one file a domain: its types, their relations, and the root fields that lead to them."""
