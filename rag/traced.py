"""A trace as it was written, read back into the types it was made of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ingest.files import status_of
from rag.config import STAGES, Config
from rag.engines.lineage import Start, unpacked
from rag.errors import SurefootError
from rag.prompt import Packed, Unit
from rag.reading import Reading
from rag.safety.redact import Mask
from rag.trace import FORMAT, Asked
from rag.types import Decision, Decoding, Dropped, Finding, Message, ModelRef, Passage, Verdict

LAST = "last"
OLD = "which lacks the sentences, the check and the engine's state that a replay needs"


class TraceError(SurefootError):
    """A trace that can't be replayed. `path` names it."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"trace {path}: {problem}")


@dataclass(frozen=True, slots=True)
class TracedAgain:
    """The second attempt at an answer, as its trace tells it."""

    packed: Packed
    start: Start | None
    generated: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Traced:
    """One answer as its trace tells it. `answer` and `generated` are as JSON has them.

    `reading` and `packed` are None where it did not come so far; the passages' hidden parts are
    dots. `generation` is that of the knowledge base, `check` and `start` the engine's states.
    `names` are the pseudonyms of what the model said raw, in their order.
    """

    path: Path
    config: Config
    generation: int | None
    model: ModelRef
    template: str
    asked: Asked
    query: str
    reading: Reading | None
    packed: Packed | None
    check: Start | None
    start: Start | None
    generated: Mapping[str, Any]
    answer: Mapping[str, Any]
    again: TracedAgain | None = None
    names: tuple[str, ...] = ()


def find_trace(name: str, kb: Path | None) -> Path:
    """The file that a path means or, with a knowledge base, an id or "last". Raises TraceError."""
    path = Path(name).expanduser()
    if path.is_file():
        return path
    if name == LAST and kb is not None:
        return _last(kb / "traces")
    inside = kb / "traces" / f"{path.name.removesuffix('.json')}.json" if kb else path
    if not inside.is_file():
        hint = "" if kb else "; an id needs --kb"
        raise TraceError(inside, f"there is no such file{hint}")
    return inside


def _last(folder: Path) -> Path:
    """Names begin with the time, to the second; of one second the one written last."""
    last = max(folder.glob("*.json"), key=_written, default=None)
    if last is None:
        raise TraceError(folder, "there are none yet")
    return last


def _written(path: Path) -> tuple[str, float]:
    status = status_of(path)
    return path.name[:15], status.st_mtime if status else 0.0


def read_trace(path: Path) -> Traced:
    """Raises TraceError for one that is missing, damaged, or of another format."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TraceError(path, f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise TraceError(path, "is not whole JSON; was it cut off?") from error
    found = record.get("format") if isinstance(record, dict) else None
    if found != FORMAT:
        why = f", {OLD}" if found == 1 else ""
        raise TraceError(path, f"is of format {found}, not {FORMAT}{why}")
    try:
        return _traced(path, record)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = f"does not hold what format {FORMAT} has ({type(error).__name__}: {error})"
        raise TraceError(path, problem) from error


def _traced(path: Path, record: Mapping[str, Any]) -> Traced:
    answer, passages = record["answer"], tuple(map(_passage, record["answer"]["passages"]))
    again = _again(record.get("again"))
    packed = _packed(record, answer, again) if record["prompt"] else None
    return Traced(
        path=path,
        config=config_of(record.get("config", {})),
        generation=record.get("kb", {}).get("generation"),
        model=ModelRef(**answer["model"]),
        template=record["template"],
        asked=_asked(record["asked"]),
        query=record["query"],
        reading=_reading(record["reading"], passages, packed),
        packed=packed,
        check=_start(record["starts"]["check"]),
        start=_start(record["starts"]["answer"]),
        generated=_generated(record["generated"]),
        answer=answer,
        again=again,
        names=tuple(map(str, record.get("names", ()))),
    )


def _generated(row: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(row["sha256"], str) or not isinstance(row["logprobs"], list):
        raise ValueError("what was generated is not there")
    return row


def _again(row: Mapping[str, Any] | None) -> TracedAgain | None:
    """The second attempt, if there was one; traces were written before there could be any."""
    if row is None:
        return None
    packed = Packed(_messages(row["prompt"]), (), row["tokens"], _units(row["units"]), ())
    return TracedAgain(packed, _start(row["start"]), _generated(row["generated"]))


def _units(rows: Sequence[Mapping[str, Any]]) -> tuple[Unit, ...]:
    return tuple(Unit(**row) for row in rows)


def config_of(table: Mapping[str, Mapping[str, Any]]) -> Config:
    """The config that `asdict` made the table of; what it does not say is as it ships."""
    stages = {}
    for name, values in table.items():
        if name not in STAGES:
            raise ValueError(f"unknown stage {name}")
        known = {item.name for item in fields(STAGES[name])}
        if strange := set(values) - known:
            raise ValueError(f"unknown setting {name}.{min(strange)}")
        stages[name] = STAGES[name](**{key: _frozen(value) for key, value in values.items()})
    return Config(**stages)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _frozen_row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _frozen(value) for key, value in row.items()}


def _asked(row: Mapping[str, Any]) -> Asked:
    return Asked(
        question=row["question"],
        history=_messages(row["history"]),
        groups=frozenset(row["groups"]),
        where=tuple(row["where"]),
        decoding=Decoding(**_frozen_row(row["decoding"])),
        verdict=_verdict(row.get("verdict")),
    )


def _verdict(row: Mapping[str, Any] | None) -> Verdict | None:
    """The guard's verdict about a question that it changed or hid."""
    if row is None:
        return None
    findings = tuple(Finding(**finding) for finding in row["findings"])
    return Verdict(Decision(row["decision"]), row["text"], findings, row["status"], row["cause"])


def _messages(rows: Sequence[Mapping[str, Any]]) -> tuple[Message, ...]:
    return tuple(Message(row["role"], row["content"]) for row in rows)


def _passage(row: Mapping[str, Any]) -> Passage:
    return Passage(**{**_frozen_row(row), "groups": frozenset(row["groups"])})


def _packed(
    record: Mapping[str, Any], answer: Mapping[str, Any], again: TracedAgain | None
) -> Packed:
    return Packed(
        messages=_messages(record["prompt"]),
        check=_messages(record["check"]),
        tokens=answer["tokens"]["prompt"] - (again.packed.tokens if again else 0),
        units=_units(record["units"]),
        dropped=tuple(Dropped(**row) for row in answer["tokens"]["dropped"]),
    )


def _reading(
    row: Mapping[str, Any] | None, passages: tuple[Passage, ...], packed: Packed | None
) -> Reading | None:
    if row is None:
        return None
    failed = row["failed"]
    verdict = Verdict(Decision.BLOCK, "", (), "error", failed) if failed is not None else None
    return Reading(
        passages=passages,
        units=packed.units if packed else (),
        findings=tuple(Finding(**finding) for finding in row["findings"]),
        masks=tuple(tuple(Mask(**mask) for mask in spans) for spans in row["masks"]),
        dropped=(),
        best=row["best"],
        failed=verdict,
    )


def _start(row: Mapping[str, Any] | None) -> Start | None:
    if row is None:
        return None
    return Start(unpacked(row["runs"]), row["prompt"], row["sha256"], row["library"])
