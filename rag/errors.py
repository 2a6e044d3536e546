"""Errors of answering. A leaf: one line for a person, fields for a program."""

from __future__ import annotations

from ingest.errors import SurefootError

__all__ = [
    "ConfigError",
    "EngineError",
    "FilterError",
    "ModelCorrupt",
    "ModelUnavailable",
    "PolicyError",
    "PromptTooLong",
    "SurefootError",
]


class ConfigError(SurefootError):
    """A setting that cannot be used. `field` names it."""

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        self.problem = problem
        super().__init__(f"setting {field}: {problem}")


class PolicyError(SurefootError):
    """A policy file that cannot be used. `table` and `key` are "" where it is not about one."""

    def __init__(self, file: str, table: str, key: str, problem: str) -> None:
        self.file = file
        self.table = table
        self.key = key
        self.problem = problem
        place = " ".join(part for part in (f"[{table}]" if table else "", key) if part)
        super().__init__(f"policy {file}: {f'{place}: ' if place else ''}{problem}")


class ModelUnavailable(SurefootError):
    """A model is not in the cache and no source gave it."""

    def __init__(self, name: str, tried: tuple[str, ...]) -> None:
        self.name = name
        self.tried = tried
        why = "; ".join(tried) if tried else "not pulled yet"
        super().__init__(f"model {name} is not available ({why}); try: surefoot models pull {name}")


class ModelCorrupt(SurefootError):
    """A file of a model does not have the recorded hash."""

    def __init__(self, name: str, file: str, found: str, expected: str) -> None:
        self.name = name
        self.file = file
        self.found = found
        self.expected = expected
        super().__init__(f"model {name}: {file} has sha256 {found}, expected {expected}")


class EngineError(SurefootError):
    """The model failed while generating."""

    def __init__(self, engine: str, problem: str) -> None:
        self.engine = engine
        self.problem = problem
        super().__init__(f"engine {engine}: {problem}")


class PromptTooLong(SurefootError):
    """The question alone does not fit the window."""

    def __init__(self, tokens: int, limit: int) -> None:
        self.tokens = tokens
        self.limit = limit
        self.over = tokens - limit
        super().__init__(
            f"the question is {self.over} tokens too long: "
            f"with instructions it takes {tokens}, and {limit} fit beside the answer"
        )


class FilterError(SurefootError):
    """A safety filter could not be built. Nothing is answered without it."""

    def __init__(self, filter_name: str, problem: str) -> None:
        self.filter_name = filter_name
        self.problem = problem
        super().__init__(f"filter {filter_name}: {problem}")
