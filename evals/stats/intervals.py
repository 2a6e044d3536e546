"""95 % intervals of proportions, in closed form. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import betaincinv, stdtrit

from evals.types import Estimate

Z95 = 1.959963984540054
EXACT_BELOW = 20


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % interval and how it was made; infinite where there is nothing to make it from."""

    low: float
    high: float
    method: str

    def around(self, value: float) -> Interval:
        """The same, widened if rounding left the value outside."""
        return Interval(min(self.low, value), max(self.high, value), self.method)

    def estimate(self, value: float, n: int) -> Estimate:
        """A value over n units with this interval."""
        low = self.low if math.isfinite(self.low) else None
        high = self.high if math.isfinite(self.high) else None
        return Estimate(value, low, high, n, self.method)


def rate(successes: int, n: int) -> Estimate:
    """A share of n with Wilson's interval. Raises ValueError unless 0 <= successes <= n."""
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n} is no rate")
    if n == 0:
        return Estimate(None, None, None, 0)
    return wilson(successes / n, n).estimate(successes / n, n)


def proportion(successes: int, n: int) -> Interval:
    """Of a share of n > 0 independent cases: Wilson's interval, or the exact one under 20."""
    if n < EXACT_BELOW:
        return clopper_pearson(successes, n)
    return wilson(successes / n, n)


def wilson(value: float, n: float) -> Interval:
    """Score interval of a share over n > 0 cases (Wilson, JASA 1927); n may be an effective one."""
    spread = Z95 * math.sqrt(max(0.0, value * (1 - value)) / n + Z95**2 / (4 * n**2))
    middle, scale = value + Z95**2 / (2 * n), 1 + Z95**2 / n
    low, high = (middle - spread) / scale, (middle + spread) / scale
    return Interval(max(0.0, low), min(1.0, high), "Wilson").around(value)


def clopper_pearson(successes: int, n: int) -> Interval:
    """The exact interval: never covers less than 95 % (Clopper and Pearson, Biometrika 1934)."""
    k, tail = successes, 0.025
    low = 0.0 if k == 0 else float(betaincinv(k, n - k + 1, tail))
    high = 1.0 if k == n else float(betaincinv(k + 1, n - k, 1 - tail))
    return Interval(low, high, "Clopper-Pearson")


def student(freedom: float) -> float:
    """The 97.5 % point of Student's t with `freedom` > 0 degrees."""
    return float(stdtrit(freedom, 0.975))


def effective_n(value: float, variance: float, freedom: float, worst: float) -> float:
    """The n of independent cases with this variance (Korn and Graubard, 1998), near an edge.

    A variance estimated from few successes or failures says little: without any, the figure rests
    on no more than `worst` cases, and with every further one the estimate is believed twice as
    much. `freedom` is that of the variance.
    """
    spread = value * (1.0 - value)
    if variance <= 0 or spread <= 0 or freedom <= 0:
        return worst
    seen = spread / (variance * (student(freedom) / Z95) ** 2)
    doubt: float = 0.5 ** (seen * min(value, 1 - value))
    return 1.0 / (doubt / worst + (1 - doubt) / seen)
