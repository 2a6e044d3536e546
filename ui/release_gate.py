"""Whether an evaluation lets a variant be promoted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from evals.pins import engine_pin, policy_hash
from evals.rundir import GATE, Run
from rag.config import Config
from rag.releases.errors import ReleaseError


class GateSaysNo(ReleaseError):
    """An evaluation that does not let a variant be promoted."""

    exit_code = 4


def passed(folder: Path, config: Config, variant: str) -> dict[str, Any]:
    """What is noted of a qa run of `variant`, whose settings are `config`.

    Raises GateSaysNo unless its gate passed, or if the run is not of this variant; RunError if
    there is no finished run.
    """
    run = Run.load(folder)
    pins, groups = run.info.pins, run.info.settings.get("groups", ())
    if pins.suite != "qa":
        raise GateSaysNo(f"{folder} is a run of {pins.suite}; qa runs the whole variant")
    mine = (engine_pin(config), policy_hash(config, groups))
    theirs = (pins.model.split(" ")[0], pins.policy)
    if mine != theirs:
        differs = "another model" if mine[0] != theirs[0] else "other settings"
        raise GateSaysNo(f"{folder} is a run with {differs} than {variant}'s")
    verdict = _verdict(run.path)
    if verdict.get("verdict") != "pass":
        reasons = "; ".join(map(str, verdict.get("reasons", ())))
        raise GateSaysNo(f"the gate of {folder} said no: {reasons}")
    return {"run": str(folder), "suite": pins.suite, "n": run.info.n, "gate": "pass"}


def _verdict(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / GATE).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        line = "has no gate's verdict; give its command with --gates or --baseline"
        raise GateSaysNo(f"{folder} {line}") from error
    except (OSError, ValueError) as error:
        raise GateSaysNo(f"{folder / GATE} cannot be read: {error}") from error
    return found if isinstance(found, dict) else {}
