"""From which score a learned filter reports a finding. Pure.

A filter has thresholds of its own; a policy that counts a label from a lower score wants to hear of
more. One that counts it from a higher score drops what it doesn't want, so nothing changes here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rag.safety.rules import Policy
from rag.types import Stage

# The scores that a policy names, by stage and label; where it names none the filter's own counts.
Floors = Mapping[tuple[Stage, str], float]
NO_FLOORS: Floors = MappingProxyType({})


def floors_of(policy: Policy) -> Floors:
    """What the policy's rules name. A threshold of 0 leaves it to the filter."""
    return {place: rule.threshold for place, rule in policy.rules.items() if rule.threshold > 0}


def reported_from(own: float, floors: Floors, stage: Stage, label: str) -> float:
    """The lower of the filter's own threshold and the policy's."""
    return min(own, floors.get((stage, label), own))
