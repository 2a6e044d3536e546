"""Tests that may be looked at after every request: their errors hold for all looks together. Pure.

Both rest on a positive process that starts at 1 and, where nothing is wrong, has no tendency to
grow; by Ville's inequality it ever reaches 1/alpha with a probability of at most alpha, however
often one looks (Wald 1945; Robbins 1970; Johari, Pekelis and Walsh 2017, "Always valid inference").
They are exact for small counts: no normal approximation is in them.
"""

from __future__ import annotations

import math

# By how much the odds of a bad variant are worse: the evidence is the mean over them.
RATIOS = (1.5, 2.0, 3.0, 5.0, 8.0)
PRIOR = 0.5
STEPS = 40


def log_evidence(hits: int, others: int, share: float) -> float:
    """Natural log of the evidence that of `hits + others` more than `share` tend to be hits.

    Wald's likelihood ratios against `share`, in (0, 1), for odds that are `RATIOS` times as high,
    and their mean.

    For a limit: `hits` are the conversations that went wrong, of all of a variant. For a
    comparison: those that went wrong with the canary, and `others` with the baseline; as traffic
    is split at random, a canary that is no worse has each with a probability of at most its share
    of the traffic (Lindon and Malek 2022, "Anytime-valid inference for multinomial count data").
    """
    terms = [
        hits * math.log(ratio) - (hits + others) * math.log1p(share * (ratio - 1.0))
        for ratio in RATIOS
    ]
    top = max(terms)
    return top + math.log(sum(math.exp(term - top) for term in terms) / len(terms))


def lower(hits: int, trials: int, alpha: float) -> float:
    """The rate's lower end of a confidence sequence: see `upper`."""
    return 0.0 if hits == 0 else _edge(0.0, hits, trials, alpha)


def upper(hits: int, trials: int, alpha: float) -> float:
    """The rate's upper end of a confidence sequence of level 1 - `alpha`; 1 without trials.

    The probability that the true rate is ever outside is at most `alpha`. A beta-binomial mixture
    (Robbins 1970) with a prior of (1/2, 1/2).
    """
    return 1.0 if hits == trials else _edge(1.0, hits, trials, alpha)


def _edge(outside: float, hits: int, trials: int, alpha: float) -> float:
    """Where the mixture's likelihood is 1/alpha times that of the rate, by bisection."""
    misses, inside = trials - hits, hits / trials
    mixed = _log_beta(PRIOR + hits, PRIOR + misses) - _log_beta(PRIOR, PRIOR)
    least = mixed + math.log(alpha)
    for _ in range(STEPS):
        rate = (outside + inside) / 2
        alone = hits * math.log(rate) if hits else 0.0
        if alone + misses * math.log1p(-rate) > least:
            inside = rate
        else:
            outside = rate
    return outside


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
