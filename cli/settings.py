"""The environment variables that Ringfence reads, each documented: one list for the commands and for the reference."""

from __future__ import annotations

from dataclasses import dataclass

from graph.open import CA_VARIABLE


@dataclass(frozen=True)
class Setting:
    """One environment variable. `secret` values are never shown."""

    name: str
    default: str
    doc: str
    secret: bool = False


STORE = "RINGFENCE_STORE"
NAMESPACE = "RINGFENCE_NAMESPACE"
KEY = "RINGFENCE_KEY"
TOKEN_KEY = "RINGFENCE_TOKEN_KEY"
AUDIT_KEY = "RINGFENCE_AUDIT_KEY"
METRICS_TOKEN = "RINGFENCE_METRICS_TOKEN"
POLICY = "RINGFENCE_POLICY"
LOG = "RINGFENCE_LOG"
DEBUG = "RINGFENCE_DEBUG"

SETTINGS = (
    Setting(STORE, "a file in the user's data folder", "URL of the store, as `--store`."),
    Setting(NAMESPACE, "default", "Namespace within the store, as `--namespace`: markets that never see each other."),
    Setting(
        KEY,
        "none; needed to load and to look up raw identifiers",
        "Key for pseudonyms: any text of at least 32 bytes. A store is bound to the key of its first load.",
        secret=True,
    ),
    Setting(
        TOKEN_KEY,
        "none; needed by `serve` and `token`",
        "Key that signs bearer tokens: any text of at least 32 bytes.",
        secret=True,
    ),
    Setting(
        AUDIT_KEY,
        "none; acts are then chained and not signed",
        "Key that signs the acts of people: any text; keep it from whoever may write to the store.",
        secret=True,
    ),
    Setting(
        METRICS_TOKEN,
        "none; `/metrics` is then not served",
        "Bearer token that `/metrics` asks for: any text of at least 16 bytes.",
        secret=True,
    ),
    Setting(
        CA_VARIABLE, "the system's certificates", "File of certificates (PEM) that a Neo4j server's is checked against."
    ),
    Setting(POLICY, "the published policy, then the default one", "Policy file, as `--policy`."),
    Setting(LOG, "lines on a terminal, JSON elsewhere", "Form of log lines on standard error: `lines` or `json`."),
    Setting(DEBUG, "off", "Where set, an unexpected error is shown with its traceback."),
)


def settings_markdown() -> str:
    """The settings as a Markdown table."""
    lines = ["# Settings", "", "| variable | default | meaning |", "|---|---|---|"]
    lines += [f"| `{one.name}` | {one.default} | {one.doc} |" for one in SETTINGS]
    return "\n".join([*lines, ""])
