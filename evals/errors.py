"""What can go wrong with an evaluation: one line for a person, fields for a program. A leaf."""

from __future__ import annotations

from pathlib import Path

from ingest.errors import SurefootError


class CaseError(SurefootError):
    """A line of a case file that is no case of the suite. `where` is file:line."""

    def __init__(self, where: str, problem: str) -> None:
        self.where = where
        self.problem = problem
        super().__init__(f"{where}: {problem}")


class RunError(SurefootError):
    """A run's folder that is missing, damaged, in use, or not what it is taken for."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"run {path}: {problem}")
