"""Gates and verdicts: by table, and by simulated trials that are looked at after every request."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import ConfigError
from rag.releases.gates import NAMES, Gate, Gates, Tally, Verdict, gates_of, judge, read_gates

GOOD = {"errors": 0.02, "slow": 0.1, "unsupported": 0.05, "unsafe": 0.01, "abstained": 0.3}
BAD = {**GOOD, "errors": 0.1, "unsupported": 0.25}


def tally(n: int, **hits: int) -> Tally:
    return Tally(n, n, hits)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("canary", "baseline", "decision", "why"),
    [
        (tally(0), tally(0), "wait", "0 of at least 200"),
        (tally(199), tally(199), "wait", "199 of at least 200"),
        (tally(600), tally(600), "promote", "every gate"),
        (tally(250), tally(250, abstained=100), "promote", "every gate"),
        (tally(30, errors=6), tally(30, errors=6), "rollback", "over the limit of 2%"),
        (tally(60, unsupported=30), tally(60, unsupported=3), "rollback", "3 of 60 with the base"),
        (tally(60, slow=30), tally(60, slow=2), "rollback", "slow: 30 of 60 conversations"),
        (tally(60, unsafe=29), tally(60, unsafe=29), "rollback", "unsafe: 29 of 60"),
        (tally(210, abstained=60), tally(210, abstained=60), "wait", "as good: abstained"),
    ],
)
def test_the_verdict(canary: Tally, baseline: Tally, decision: str, why: str) -> None:
    verdict = judge(canary, baseline, 0.5, Gates())
    assert verdict.decision == decision
    assert why in verdict.why


@given(st.sampled_from(NAMES), st.integers(0, 100), st.integers(0, 100), st.floats(0.05, 0.95))
def test_one_more_bad_outcome_never_speaks_for_the_canary(
    name: Any, canary: int, baseline: int, share: float
) -> None:
    fewer, more = (
        judge(tally(200, **{name: hits}), tally(200, **{name: baseline}), share, Gates())
        for hits in (canary, canary + 1)
    )
    before, after = (_figure(verdict, name) for verdict in (fewer, more))
    assert after.worse >= before.worse * 0.999
    assert after.above >= before.above


def _figure(verdict: Verdict, name: str) -> Any:
    return next(item for item in verdict.figures if item.gate == name)


def test_gates_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "gates.toml"
    path.write_text("alpha = 0.01\nleast = 50\nslow_ms = 2000\n[unsafe]\nlimit = 0.02\n")
    found = read_gates(path)
    assert (found.alpha, found.least, found.slow_ms) == (0.01, 50, 2000)
    assert found.unsafe == Gate(0.02, 0.1)
    assert gates_of(asdict(found)) == found


@pytest.mark.parametrize(
    "text",
    [
        "alpha = 0", "alpha = 'low'", "least = 1.5", "least = true", "speed = 1", "errors = 0.1",
        "[errors]\nlimit = 2", "[errors]\nlimit = 'x'", "[errors]\nmost = 1", "slow_ms = -1", "=",
    ],
)  # fmt: skip
def test_gates_that_can_not_be(tmp_path: Path, text: str) -> None:
    path = tmp_path / "gates.toml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        read_gates(path)


def trial(seed: int, share: float, rates: Mapping[str, float], most: int) -> tuple[str, int]:
    """A verdict other than "wait", and after how many conversations of the canary it came.

    Counts can only break a gate when the canary goes wrong; it can be promoted whenever it is met.
    """
    draws, gates = random.Random(seed), Gates()
    n, hits = [0, 0], [Counter[str](), Counter[str]()]
    while n[1] < most:
        arm = draws.random() < share
        chances = rates if arm else GOOD
        found = [name for name, rate in chances.items() if draws.random() < rate]
        n[arm] += 1
        hits[arm].update(found)
        if arm and (found or n[1] % 25 == 0):
            verdict = judge(tally(n[1], **hits[1]), tally(n[0], **hits[0]), share, gates)
            if verdict.decision != "wait":
                return verdict.decision, n[1]
    return "wait", n[1]


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_a_bad_variant_is_rolled_back_within_200_requests(share: float) -> None:
    ends = Counter(trial(seed, share, BAD, 200)[0] for seed in range(100))
    assert ends["rollback"] >= 95


@pytest.mark.parametrize("worse", ["errors", "unsupported"])
def test_one_broken_gate_is_enough(worse: str) -> None:
    rates = {**GOOD, worse: BAD[worse]}
    ends = Counter(trial(seed, 0.1, rates, 200)[0] for seed in range(100))
    assert ends["rollback"] >= 95


def test_a_good_variant_is_promoted_and_hardly_ever_rolled_back() -> None:
    """With a look after every request, and a true error rate that is its very limit."""
    ends = Counter(trial(seed, 0.5, GOOD, 2500)[0] for seed in range(60))
    assert ends["rollback"] <= 60 * 0.05
    assert ends["promote"] >= 60 * 0.9
