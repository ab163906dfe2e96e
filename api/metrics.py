"""What a running server counts, in the form that Prometheus reads: its own registry, nothing global.

Labels are few and fixed (kinds of field, outcomes, verdicts), so that no caller can make a server hold more and more
series, and none of them names a person. What is counted while answering are counters; what the server knows of the
store is read when it is asked for.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.access import FIELD_ROLES
from api.tokens import Role
from graph.errors import KeyProblem

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MIN_TOKEN_BYTES = 16
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_RUNS = frozenset({"Query.run", "Query.runs", "Query.runDiff", "Mutation.startRun"})


@dataclass(frozen=True)
class Seen:
    """What the server last saw of the store. `ready` once it has been looked at; ages in seconds, None before any;
    `runs` counts whole runs by state, `loads` by state."""

    ready: bool
    reachable: bool
    run_age: float | None
    data_age: float | None
    run_id: str
    policy: str
    accounts: int
    limited: int
    runs: Mapping[str, int]
    loads: Mapping[str, int]
    acts_whole: bool
    checkout: Mapping[str, int]


class Metrics:
    """Counters of one server. Safe to use from several threads."""

    def __init__(self, seen: Callable[[], Seen]) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "ringfence_requests",
            "Requests answered, by kind of field (checkout, read, people, run, introspection, none) and outcome (ok, "
            "errors, refused, failed).",
            ("kind", "outcome"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "ringfence_request_seconds",
            "Time from a request's first byte to its answer.",
            ("kind",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._limits = Counter(
            "ringfence_purchase_limits",
            "Purchase limits asked, by verdict and reason.",
            ("verdict", "reason"),
            registry=self.registry,
        )
        self.registry.register(_FromStore(seen))
        # looking a series up by its labels costs more than counting, and there are few
        self._series: dict[tuple[str, str], tuple[Counter, Histogram]] = {}
        self._asked: dict[tuple[str, str], Counter] = {}

    def answered(self, kind: str, outcome: str, seconds: float) -> None:
        """Count one request."""
        series = self._series.get((kind, outcome))
        if series is None:
            series = self._requests.labels(kind, outcome), self._seconds.labels(kind)
            self._series[kind, outcome] = series
        series[0].inc()
        series[1].observe(seconds)

    def limit(self, verdict: str, reason: str) -> None:
        """Count one purchase limit asked."""
        asked = self._asked.get((verdict, reason))
        if asked is None:
            asked = self._asked[verdict, reason] = self._limits.labels(verdict, reason)
        asked.inc()

    def text(self) -> bytes:
        """All of it in Prometheus' text form."""
        return generate_latest(self.registry)


@lru_cache(maxsize=1024)
def kind_of(fields: frozenset[str]) -> str:
    """The kind of an operation by its root fields: the weightiest where they are of several."""
    if any(field in _RUNS for field in fields):
        return "run"
    if any(_ordered(field) for field in fields):
        return "checkout"
    if any(field.startswith("Mutation.") and "__" not in field for field in fields):
        return "people"
    return "introspection" if all("__" in field for field in fields) else "read"


def _ordered(field: str) -> bool:
    return Role.ORDER_SERVICE in FIELD_ROLES.get(field, frozenset()) and "__" not in field


def check_metrics_token(token: str) -> str:
    """The token itself; `KeyProblem` where it is set and short."""
    if token and len(token.encode()) < MIN_TOKEN_BYTES:
        raise KeyProblem(
            f"has fewer than {MIN_TOKEN_BYTES} bytes",
            where="RINGFENCE_METRICS_TOKEN",
            do=f"set it to any text of at least {MIN_TOKEN_BYTES} bytes, or leave it away",
        )
    return token


def may_scrape(authorization: str | None, token: str) -> bool:
    """Whether an `Authorization` header bears the token."""
    scheme, _, given = (authorization or "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())


class _FromStore(Collector):
    """What the server knows of the store, read when it is asked for."""

    def __init__(self, seen: Callable[[], Seen]) -> None:
        self._seen = seen

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: collecting costs nothing."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All gauges of this moment."""
        now = self._seen()
        yield _gauge("ready", "1 once the store has been looked at.", now.ready)
        yield _gauge("store_reachable", "1 where the last look at the store succeeded.", now.reachable)
        yield _gauge("acts_whole", "1 where the book of acts hangs together.", now.acts_whole)
        if now.run_age is not None:
            yield _gauge("run_age_seconds", "Seconds since the last whole run finished, published or not.", now.run_age)
        if now.data_age is not None:
            yield _gauge("data_age_seconds", "Seconds since the last load finished.", now.data_age)
        if now.run_id:
            info = GaugeMetricFamily(
                "ringfence_published_run", "1 for the run that readers see.", labels=("run", "policy")
            )
            info.add_metric((now.run_id, now.policy), 1)
            yield info
            yield _gauge("accounts", "Accounts that the published run judged.", now.accounts)
            yield _gauge("limited_accounts", "Accounts that the published run limits.", now.limited)
        yield _by_state("runs", "Whole runs that the store keeps; `held` ones wait for a person.", now.runs)
        yield _by_state("loads", "Loads so far.", now.loads)
        checkout = CounterMetricFamily("ringfence_checkout", "How purchase limits were answered.", labels=("what",))
        for what, count in now.checkout.items():
            checkout.add_metric((what,), count)
        yield checkout


def _gauge(name: str, doc: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"ringfence_{name}", doc, value=float(value))


def _by_state(name: str, doc: str, counts: Mapping[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"ringfence_{name}", doc, labels=("state",))
    for state, count in sorted(counts.items()):
        family.add_metric((state,), count)
    return family
