"""`python -m benchmarks.quality --weights`: what each detector's word is worth beside the others', by a regression.

The truth of tuning markets is explained by each account's evidence in nats and by the loudest message of each link
detector, its present weight taken off. A coefficient of 1 says that the nats are told rightly; the weights in
`detectors/links` lie between 1 and these (ADR 7). Only messages that speak against an account count.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks.quality.markets import Case
from benchmarks.quality.tables import Sheet, number
from detectors.pipeline import DEFAULTS, weigh
from detectors.registry import ACCOUNTS, LINKS
from graph.snapshot import Floats

STEPS = 3000


def nats_of(case: Case) -> Floats:
    """(n, detectors) nats of each account: evidence of `ACCOUNTS`, then unweighted messages of `LINKS` above 0."""
    _, web, beliefs, _, accounts = weigh(case.snapshot, DEFAULTS)
    columns = [item.account_nats(web.n) for item in accounts]
    for number_, detector in enumerate(LINKS):
        loudest = np.zeros(web.n)
        rows = np.flatnonzero(web.detector[web.key] == number_)
        np.maximum.at(loudest, web.buyer[rows], beliefs.message[rows] / detector.weight)
        columns.append(loudest)
    return np.stack(columns, axis=1)


def weights_sheet(cases: Sequence[Case]) -> Sheet:
    """One row a detector: the weight it states, the regression's, and on how many accounts that rests."""
    columns = [(nats_of(case), case.truth.abuser) for case in cases]
    nats = np.concatenate([part for part, _ in columns])
    abuser = np.concatenate([flags for _, flags in columns])
    found = LogisticRegression(max_iter=STEPS).fit(nats, abuser).coef_[0]
    rows = [
        [detector.name, number(detector.weight), number(float(value)), f"{int(np.count_nonzero(column)):,}"]
        for detector, value, column in zip((*ACCOUNTS, *LINKS), found, nats.T, strict=True)
    ]
    title = f"Weights of detectors, by logistic regression over {len(cases)} tuning markets"
    return Sheet(title, ("detector", "stated", "regression", "accounts it speaks of"), rows)
