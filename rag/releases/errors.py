"""Errors of releases. A leaf: one line for a person, fields for a program."""

from __future__ import annotations

from rag.errors import SurefootError


class ReleaseError(SurefootError):
    """A variant or a release that can't be made, found or changed so. `problem` is one line."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"releases: {problem}")


class VariantChanged(ReleaseError):
    """What a variant is made of is no longer what it was when it was added."""

    def __init__(self, variant: str, what: str, found: str, recorded: str) -> None:
        self.variant = variant
        self.what = what
        self.found = found
        self.recorded = recorded
        super().__init__(
            f"variant {variant}: its {what} has changed: it is {found} now, and {recorded} was "
            "recorded; add it under a new name"
        )
