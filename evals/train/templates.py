"""Made injections and honest look-alikes, from the grammar in `data/injection_templates.toml`.

Real attacks are few and of few kinds. The grammar adds kinds that no set of ours holds, each as it
is and planted among honest sentences, and honest texts that use the same words.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

GRAMMAR = Path(__file__).parent / "data" / "injection_templates.toml"
LONGEST = 690
_JOINTS = (" ", "\n", "\n\n", ". ")
_SLOT = re.compile(r"\{(\w{1,20})\}")
_DEPTH = 6


@dataclass(frozen=True, slots=True)
class Made:
    """A text made here. `planted`: it stands among honest sentences."""

    text: str
    family: str
    attack: bool
    planted: bool = False


@dataclass(frozen=True, slots=True)
class Grammar:
    """Templates by family, and the slots that they share."""

    slots: Mapping[str, Sequence[str]]
    attacks: Mapping[str, Sequence[str]]
    honest: Mapping[str, Sequence[str]]


def load_grammar(path: Path = GRAMMAR) -> Grammar:
    return Grammar(**tomllib.loads(path.read_text(encoding="utf-8")))


def filled(grammar: Grammar, rounds: int = 6, seed: int = 0) -> list[Made]:
    """Distinct texts of `rounds` fillings of every template."""
    dice = random.Random(seed)
    found = [
        Made(_styled(fill(template, grammar.slots, dice), dice), family, attack)
        for attack, families in ((True, grammar.attacks), (False, grammar.honest))
        for family, templates in families.items()
        for template in templates
        for _ in range(rounds)
    ]
    return list({item.text: item for item in found}.values())


def planted(items: Sequence[Made], carriers: Sequence[str], seed: int = 0) -> Iterator[Made]:
    """Each text once before, after or between carriers; those too long for a window left out."""
    dice = random.Random(seed)
    for item in items:
        before, after = dice.choice(carriers), dice.choice(carriers)
        parts = dice.choice([(before, item.text), (item.text, after), (before, item.text, after)])
        text = dice.choice(_JOINTS).join(parts)
        if len(text) <= LONGEST:
            yield Made(text, item.family, item.attack, planted=True)


def joined(carriers: Sequence[str], count: int, seed: int = 0) -> Iterator[Made]:
    """Carriers side by side, so that a seam alone is no mark of an attack."""
    dice = random.Random(seed)
    for _ in range(count):
        text = dice.choice(_JOINTS).join(dice.choices(carriers, k=dice.choice((2, 2, 3))))
        if len(text) <= LONGEST:
            yield Made(text, "joined", attack=False, planted=True)


def fill(template: str, slots: Mapping[str, Sequence[str]], dice: random.Random) -> str:
    """The template with each slot filled, and those in the fillings too."""
    text = template
    for _ in range(_DEPTH):
        text = _SLOT.sub(lambda m: dice.choice(slots[m[1]]) if m[1] in slots else m[0], text)
    return text.strip()


def _styled(text: str, dice: random.Random) -> str:
    """As people type: now and then without capitals or the final stop, or all in capitals."""
    throw = dice.random()
    if throw < 0.12:
        return text.lower()
    if throw < 0.18:
        return text.upper()
    return text.rstrip(".") if throw < 0.3 else text
