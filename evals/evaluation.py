"""An evaluation from end to end: read the cases, run them, hold the gate, write the report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from evals.attempt import Limits
from evals.calibrate import Calibrated, calibrate, keep, require_target
from evals.cases import open_cases
from evals.errors import RunError
from evals.gate import GateResult, gate_json, judge, read_limits, write_gate
from evals.metrics import table
from evals.run import Plan, Watch, evaluate
from evals.rundir import GATE, Run, add_results
from evals.seen import FIELD, TRAINED
from evals.suites import get
from evals.suites.base import Options, Suite
from evals.types import Json
from rag.calibrated import CalibrationError, gate_open, in_force
from rag.checked import require
from rag.config import Config, load
from rag.errors import ConfigError
from rag.models import home

GATES = "gates.toml"


@dataclass(frozen=True, slots=True)
class Request:
    """What a user asks for. `command` is kept with the run, so that it can be given again.

    With a `target_risk` the cases are run with the gate open, and the trust chosen on them is kept
    with the knowledge base.
    """

    suite: str
    cases: tuple[Path, ...]
    kb: Path | None = None
    out: Path | None = None
    baseline: Path | None = None
    gates: Path | None = None
    sample: int | None = None
    seed: int = 0
    slices: tuple[str, ...] = ()
    model: str | None = None
    groups: frozenset[str] = frozenset()
    limits: Limits = field(default_factory=Limits)
    command: str = ""
    target_risk: float | None = None


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A finished run and what the gate says of it; None where nothing was asked of a gate.

    `calibrated` is the choice of a trust, where one was asked for.
    """

    run: Run
    gate: GateResult | None
    calibrated: Calibrated | None = None

    def json(self) -> Json:
        """The object of `surefoot eval --json`."""
        found = dict(self.run.results)
        if self.gate is not None:
            found["gate"] = gate_json(self.gate)
        return found


def perform(request: Request, watch: Watch, config: Config | None = None) -> Evaluated:
    """Raises SurefootError in one clear line; see `evals.run.evaluate` for stopping."""
    suite = get(request.suite)
    config = (config or load()).with_model(request.model)
    if request.target_risk is not None:
        _require_calibration(request, request.target_risk, config)
    baseline = Run.load(run_folder(request.baseline)) if request.baseline else None
    limits = read_limits(gates, suite.name) if (gates := _gates(request)) else ()
    plan = _plan(request, suite, config)
    folder = request.out or default_folder(plan)
    if baseline is not None and folder.resolve() == baseline.path.resolve():
        raise RunError(folder, "is the baseline itself; give another --out")
    run = evaluate(plan, folder, watch)
    calibrated, gate = None, None
    if request.target_risk is not None and request.kb is not None:
        run, calibrated = _calibrate(run, request.kb, config, request.target_risk)
    (folder / GATE).unlink(missing_ok=True)
    metrics = suite.metrics(table([item.score for item in run.scores()]))
    if baseline is not None or limits:
        gate = judge(run, metrics, limits, baseline)
        write_gate(folder, gate)
    from evals.report import write_report

    write_report(run, metrics)
    return Evaluated(run, gate, calibrated)


def _require_calibration(request: Request, target: float, config: Config) -> None:
    require_target(request.suite, target)
    gated = config.grounding.policy != "annotate"
    require(gated, "calibrate", "is for a policy that withholds; annotate shows all")
    compared = request.baseline or request.gates
    require(not compared, "calibrate", "opens the gate; compare and judge a run without it")


def _calibrate(run: Run, kb: Path, config: Config, target: float) -> tuple[Run, Calibrated]:
    """The choice, kept with the base and told with the run."""
    scores = [item.score for item in run.scores()]
    found = calibrate(scores, target, _trust_before(kb, config))
    keep(kb, config, found)
    return add_results(run, {"calibration": found.json()}), found


def _trust_before(kb: Path, config: Config) -> float:
    try:
        return in_force(kb, config).grounding.trust
    except CalibrationError:
        # Calibrating again is how a damaged one is mended.
        return config.grounding.trust


def default_folder(plan: Plan) -> Path:
    """The same for the same command on the same things, so that it goes on where it stopped."""
    parts = [asdict(plan.suite.pins(plan.options)), plan.files.sources, plan.sample, plan.seed]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    return runs_folder() / f"{plan.suite.name}-{digest[:12]}"


def runs_folder() -> Path:
    return home() / "runs"


def run_folder(name: Path) -> Path:
    """A run's folder, by path or by its name among the default ones."""
    known = runs_folder() / name
    return known if not name.exists() and known.is_dir() else name


def _plan(request: Request, suite: Suite, config: Config) -> Plan:
    if request.target_risk is not None:
        config = gate_open(config)
    fields = {FIELD} if suite.name in TRAINED else set[str]()

    def check(row: Mapping[str, Any]) -> None:
        fields.update(row)
        suite.check(row)

    files = open_cases(request.cases, check, request.sample, request.seed)
    for name in request.slices:
        if name not in fields:
            raise ConfigError("slice", f"no case has a field {name!r}")
    return Plan(
        suite=suite,
        files=files,
        options=Options(config, request.kb, request.groups),
        sample=request.sample,
        seed=request.seed,
        slices=request.slices,
        limits=request.limits,
        command=request.command,
    )


def _gates(request: Request) -> Path | None:
    """None for a calibration, too: limits are of what is released, behind its gate."""
    if request.target_risk is not None:
        return None
    if request.gates is not None:
        return request.gates
    return Path(GATES) if Path(GATES).is_file() else None
