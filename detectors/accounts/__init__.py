"""Account detectors: each weighs what one account did, against what its own baskets predict."""
