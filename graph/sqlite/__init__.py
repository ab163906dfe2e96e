"""The embedded store: one SQLite file in WAL mode, which serves the processes of one host.

`store.py` is the contract's face. Rows lie in *blocks* (`blocks.py`): up to 512 rows of one table, sorted by id, as
one Arrow record batch. Values are found through *postings* (`postings.py`): sorted arrays of hash and row reference.
SQLite gives what is hard: transactions, snapshots for readers, recovery, and locks between processes.
"""

from graph.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
