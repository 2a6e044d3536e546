"""What the classes of published models are to us. Tables and pure functions.

A class is one of our labels, several, or none: harmless, or nothing that a policy acts on. Any
kind of harm is HARM too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rag.errors import ConfigError
from rag.safety.labels import ILLICIT, INJECTION, MODERATION

FIELD = "guard.labels"
HARM = "HARM"
KNOWN = frozenset({*MODERATION, ILLICIT, INJECTION})
# What each filter may report.
ROLES: Mapping[str, frozenset[str]] = {
    "moderation": frozenset({*MODERATION, ILLICIT}),
    "injection": frozenset({INJECTION}),
}

_NOTHING: tuple[str, ...] = ()
_HARMLESS = (
    "safe", "benign", "legit", "legitimate", "ok", "neutral", "normal", "non_toxic", "not_toxic",
    "nothate", "not_hate", "non_hate", "sfw", "unharmful",
)  # fmt: skip
# By name, in small letters, blanks and hyphens as "_".
CLASSES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(_HARMLESS, _NOTHING),
    **{label.lower(): (label,) for label in KNOWN},
    **dict.fromkeys(("injection", "jailbreak", "malicious"), (INJECTION,)),
    **dict.fromkeys(("toxic", "toxicity", "severe_toxic", "severe_toxicity"), (HARM,)),
    **dict.fromkeys(("unsafe", "harmful"), (HARM,)),
    **dict.fromkeys(("identity_hate", "identity_attack", "hateful"), ("HATE",)),
    **dict.fromkeys(("sexual_explicit", "nsfw"), ("SEXUAL",)),
    "threat": ("VIOLENCE",),
    "insult": ("HARASSMENT",),
    # Swearing alone harms nobody.
    **dict.fromkeys(("obscene", "profanity"), _NOTHING),
}
_PROMPT_GUARD_2: Mapping[str, tuple[str, ...]] = {"label_0": _NOTHING, "label_1": (INJECTION,)}
_NAMED_GROUPS = (
    "male", "female", "homosexual_gay_or_lesbian", "christian", "jewish", "muslim", "black",
    "white", "psychiatric_or_mental_illness",
)  # fmt: skip
# By model, the last part of its name in small letters: classes whose names alone don't say it.
MODELS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "llama-prompt-guard-2-86m": _PROMPT_GUARD_2,
    "llama-prompt-guard-2-22m": _PROMPT_GUARD_2,
    # Whom a text is about, which is no harm.
    "unbiased-toxic-roberta": dict.fromkeys(_NAMED_GROUPS, _NOTHING),
    # KoalaAI's, by the categories of OpenAI's moderation set.
    "text-moderation": {
        "s": ("SEXUAL",),
        "h": ("HATE",),
        "v": ("VIOLENCE",),
        "hr": ("HARASSMENT",),
        "sh": ("SELF_HARM",),
        "s3": ("SEXUAL_MINORS",),
        "h2": ("HATE_THREATENING",),
        "v2": ("VIOLENCE_GRAPHIC",),
    },
}
# Models each of whose classes is a question of its own, whatever their files say.
SEVERAL = frozenset({"toxic-bert", "unbiased-toxic-roberta"})


def short(model: str) -> str:
    """The last part of a model's name or folder, in small letters."""
    return model.rstrip("/").rsplit("/", 1)[-1].lower()


def parse_labels(entries: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Classes by "CLASS=LABEL"; "CLASS=" is harmless. Raises ConfigError."""
    found: dict[str, tuple[str, ...]] = {}
    for entry in entries:
        name, equals, label = (part.strip() for part in entry.partition("="))
        if not name or not equals:
            raise ConfigError(FIELD, f"{entry!r} is not CLASS=LABEL")
        if label and label not in KNOWN:
            known = ", ".join(sorted(KNOWN))
            raise ConfigError(FIELD, f"{label!r} is no label; known are {known}")
        found[_plain(name)] = (label,) if label else _NOTHING
    return found


def map_classes(
    model: str, classes: Sequence[str], own: Mapping[str, tuple[str, ...]]
) -> list[tuple[str, ...]]:
    """Our labels of each class. `own` is what the config says. Raises ConfigError."""
    table = {**CLASSES, **MODELS.get(short(model), {}), **own}
    unknown = [name for name in classes if _plain(name) not in table]
    if unknown:
        hint = f'such as ["{unknown[0]}=HARM"], or ["{unknown[0]}="] if it is harmless'
        problem = f"{model!r} has classes of unknown meaning: {', '.join(unknown)}; name them here"
        raise ConfigError(FIELD, f"{problem}, {hint}")
    return [with_harm(table[_plain(name)]) for name in classes]


def combine(
    values: Sequence[float], classes: Sequence[Iterable[str]], several: bool
) -> dict[str, float]:
    """Labels by the probabilities of their classes, shape (C,), all of them numbers.

    Where a text may have `several` classes a label is as likely as the likeliest of its own; else
    their sum.
    """
    found: dict[str, float] = {}
    for value, labels in zip(values, classes, strict=True):
        for label in labels:
            had = found.get(label, 0.0)
            found[label] = max(had, value) if several else had + value
    # Sums of rounded parts may pass 1 by a little.
    return {label: min(1.0, value) for label, value in found.items()}


def with_harm(labels: tuple[str, ...]) -> tuple[str, ...]:
    """The labels, and HARM if one is a kind of it."""
    harmful = set(labels) & set(MODERATION)
    return (*labels, HARM) if harmful and HARM not in labels else labels


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")
