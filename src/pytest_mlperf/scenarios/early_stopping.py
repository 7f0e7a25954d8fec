"""LoadGen's early stopping: how many queries a latency percentile takes, given how many of them are late.

Restates MinPassingQueriesFinder of loadgen/early_stopping.cc, with the confidence and the tolerance (none) of
PerformanceSummary::EarlyStopping in loadgen/results.cc: of a system that is just too slow for the percentile, less than
1 % of the runs of this length would have so few late queries.
"""

from __future__ import annotations

import math

CONFIDENCE = 0.99
#: SingleStream and MultiStream need as many queries as would allow this many late ones.
FOR_AN_ESTIMATE = 1
#: A sum of a binomial distribution ends where its terms are this much smaller than the sum.
_NEGLIGIBLE = 1e-17


def queries_needed(late: int, percentile: float) -> int:
    """Return the fewest queries of which `late` may be over the latency bound.

    Parameters
    ----------
    late
        Queries over the bound, 0 or more.
    percentile
        The fraction of queries that must be within the bound, above 0 and below 1.
    """
    too_few = max(late, math.floor(late / (1 - percentile)))
    step = 1
    while chance_of_at_most(late, too_few + step, 1 - percentile) >= 1 - CONFIDENCE:
        too_few, step = too_few + step, 2 * step
    enough = too_few + step
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if chance_of_at_most(late, middle, 1 - percentile) < 1 - CONFIDENCE:
            enough = middle
        else:
            too_few = middle
    return enough


def late_allowed(queries: int, percentile: float) -> int:
    """Return how many of `queries` may be over the latency bound; -1 if there are too few queries to tell."""
    allowed, too_many = -1, math.ceil(queries * (1 - percentile)) + 1
    while too_many - allowed > 1:
        middle = (allowed + too_many) // 2
        if queries_needed(middle, percentile) <= queries:
            allowed = middle
        else:
            too_many = middle
    return allowed


def queries_needed_at(share: float, percentile: float, most: int) -> int | None:
    """Return about the fewest queries that pass if this share of them is late; None if they are more than `most`."""

    def passes(queries: int) -> bool:
        return queries_needed(math.ceil(share * queries), percentile) <= queries

    too_few, enough = 0, queries_needed(0, percentile)
    while not passes(enough):
        too_few, enough = enough, 2 * enough
        if too_few >= most:
            return None
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        too_few, enough = (too_few, middle) if passes(middle) else (middle, enough)
    return enough if enough <= most else None


def chance_of_at_most(late: int, queries: int, share: float) -> float:
    """Return the probability of at most `late` late queries if each is late with the probability `share`."""
    if late >= queries:
        return 1.0
    odds = share / (1 - share)
    term = math.exp(
        math.lgamma(queries + 1)
        - math.lgamma(late + 1)
        - math.lgamma(queries - late + 1)
        + late * math.log(share)
        + (queries - late) * math.log1p(-share)
    )
    terms = [term]
    for count in range(late, 0, -1):
        term *= count / ((queries - count + 1) * odds)
        terms.append(term)
        if term < _NEGLIGIBLE * terms[0]:
            break
    return math.fsum(terms)
