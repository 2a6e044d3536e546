"""The error root of the whole project and the errors of ingestion.

Every error is one clear line for a person, with its facts as fields for a program.
"""

from __future__ import annotations

from pathlib import Path


class SurefootError(Exception):
    """Root of all errors that a user can cause or mend. `str(error)` is one line."""

    exit_code = 2


class KnowledgeBaseError(SurefootError):
    """The knowledge base is missing, damaged, or made by something else."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"knowledge base {path}: {problem}")


class KnowledgeBaseMissing(KnowledgeBaseError):
    """No knowledge base at this path."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "not found; make one with: surefoot ingest PATH --kb " + str(path))


class KnowledgeBaseBusy(KnowledgeBaseError):
    """Another process is writing to the knowledge base."""

    def __init__(self, path: Path, holder: str) -> None:
        self.holder = holder
        super().__init__(path, f"is being written by {holder}; try again when it has finished")


class IncompatibleKnowledgeBase(KnowledgeBaseError):
    """Built with another format version, embedder or vector size than the one at hand."""

    def __init__(self, path: Path, what: str, found: str, expected: str) -> None:
        self.what = what
        self.found = found
        self.expected = expected
        super().__init__(path, f"{what} is {found}, but this program needs {expected}")


class UnreadableFile(SurefootError):
    """One file that could not be ingested. `status` is a fixed word, `reason` is for people."""

    def __init__(self, path: str, status: str, reason: str) -> None:
        self.path = path
        self.status = status
        self.reason = reason
        super().__init__(f"{path}: {reason}")


class ExtraMissing(SurefootError):
    """What was asked for needs an extra that is not installed."""

    def __init__(self, extra: str, wanted_by: str) -> None:
        self.extra = extra
        super().__init__(f'{wanted_by} needs the extra "{extra}": pip install "surefoot[{extra}]"')
