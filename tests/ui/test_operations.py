"""Dashboard, rules and config: nothing in them is made up, and the real programs load them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from rag.config import Config
from rag.telemetry.instruments import TABLE
from rag.telemetry.labels import REFUSALS
from rag.telemetry.telemetry import open_telemetry
from ui.operations.dashboard import dashboard
from ui.operations.objectives import OBJECTIVES
from ui.operations.rules import rules_file
from ui.operations.scrape import prometheus_file

# The language's own words; what is left over in an expression are names of metrics.
WORDS = {
    "sum",
    "rate",
    "increase",
    "histogram_quantile",
    "by",
    "on",
    "group_left",
    "and",
    "or",
    "unless",
}
ROWS = {row.name: row for row in TABLE}
MINUTES = 60


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def queries() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def rules() -> list[dict[str, Any]]:
    return [rule for group in rules_file()["groups"] for rule in group["rules"]]


def metric_names(expression: str) -> set[str]:
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]', " ", expression.replace('\\"', ""))
    bare = re.sub(r"\boffset \w+", " ", bare)
    bare = re.sub(r"\b(by|on|group_left)\s*\([^)]*\)", " ", bare)
    return set(re.findall(r"[A-Za-z_:][\w:]*", bare)) - WORDS


def known_names() -> set[str]:
    """Every sample that a service shows, and every family of histograms in its parts."""
    text = open_telemetry(Config(), {}).exposition()[0].decode()
    found = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)", text, re.MULTILINE):
        parts = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        found |= {name + part for part in parts}
    return found


def row_of(sample: str) -> Any:
    for suffix in ("", "_bucket", "_sum", "_count"):
        if sample.endswith(suffix) and (row := ROWS.get(sample.removesuffix(suffix))):
            return row
    return None


def test_metric_names_are_found_in_expressions() -> None:
    expression = 'sum by (le, a) (rate(x_total{b="y_total"}[5m])) / on () group_left () z:w > 1'
    assert metric_names(expression) == {"x_total", "z:w"}


def test_the_dashboard_asks_for_metrics_that_exist() -> None:
    asked = {name for query in queries() for name in metric_names(query)}
    assert len(asked) > 25
    assert asked <= known_names()


def test_the_rules_ask_for_metrics_that_exist() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    asked = {name for rule in rules() for name in metric_names(rule["expr"])}
    assert asked <= known_names() | recorded | {"up"}
    assert recorded <= asked, "nothing is recorded for nobody"


@pytest.mark.parametrize("expression", [*queries(), *(rule["expr"] for rule in rules())])
def test_labels_are_those_that_the_metrics_have(expression: str) -> None:
    for name, inside in re.findall(r"([A-Za-z_]\w*)\{([^}]*)\}", expression):
        row = row_of(name)
        if row is not None:
            used = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", re.sub(r'"[^"]*"', "", inside)))
            assert used <= {*row.labels, "le"}, name


def test_refusals_of_the_api_have_words() -> None:
    from ui.api import app, envelope

    assert {*app.REFUSED.values(), *envelope.REFUSED.values()} <= REFUSALS


def test_every_metric_is_looked_at() -> None:
    asked = {name for query in queries() for name in metric_names(query)}
    looked = {row.name for name in asked if (row := row_of(name))}
    assert {row.name for row in TABLE} - looked == set()


def test_panels_have_places_of_their_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + dx, place["y"] + dy)
            for dx in range(place["w"])
            for dy in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    numbers = [panel["id"] for panel in dashboard()["panels"]]
    assert len(set(numbers)) == len(numbers)


def test_grafanas_own_types_read_the_dashboard_whole() -> None:
    """Its Python types for 11.6, which reject or lose what they do not know."""
    models = pytest.importorskip("grafana_foundation_sdk.models.dashboard")
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins

    register_default_plugins()
    read = models.Dashboard.from_json(dashboard())
    again = json.loads(json.dumps(read, cls=JSONEncoder))
    assert _lost(dashboard(), again) == []


def _lost(before: Any, after: Any, place: str = "") -> list[str]:
    """Places where `after` does not say what `before` says."""
    if isinstance(before, dict) and isinstance(after, dict):
        pairs = ((value, after.get(key), f"{place}/{key}") for key, value in before.items())
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = (
            (x, y, f"{place}[{n}]") for n, (x, y) in enumerate(zip(before, after, strict=True))
        )
    else:
        return [] if before == after else [place]
    return [lost for x, y, where in pairs for lost in _lost(x, y, where)]


def test_every_budget_can_burn_as_fast_as_its_alerts_ask() -> None:
    for objective in OBJECTIVES:
        for burn in objective.burns:
            assert burn.factor * objective.budget <= 0.8, objective.name


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (Debian's package is prometheus)")
    return found


def run(*arguments: str, stdin: bytes = b"") -> str:
    done = subprocess.run(arguments, input=stdin, capture_output=True, check=False, timeout=120)
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, said
    return said


def test_promtool_finds_no_fault_in_the_exposition() -> None:
    text = open_telemetry(Config(), {}).exposition()[0]
    assert run(tool("promtool"), "check", "metrics", stdin=text) == ""


def test_promtool_reads_rules_and_config(tmp_path: Path) -> None:
    promtool = tool("promtool")
    rules_path, key, config = (tmp_path / name for name in ("r.yml", "metrics.key", "p.yml"))
    rules_path.write_text(yaml.safe_dump(rules_file(), sort_keys=False))
    key.write_text("a key")
    made = prometheus_file("127.0.0.1:8700", str(key), str(rules_path))
    config.write_text(yaml.safe_dump(made, sort_keys=False))
    assert "SUCCESS" in run(promtool, "check", "rules", str(rules_path))
    assert "SUCCESS" in run(promtool, "check", "config", str(config))


MINE = '{variant="default",role="stable"'
ANSWERS, FAILURES = "surefoot_answers_total" + MINE, "surefoot_failures_total" + MINE
SENTENCES, SHOWN = "surefoot_sentences_total" + MINE, "surefoot_time_to_first_shown_seconds"
SHADOW = 'surefoot_failures_total{variant="new",role="shadow",cause="engine"}'
FILTERS = f'surefoot_filter_errors_total{MINE},filter="pii",kind="error"}}'
MEMORY = 'surefoot_memory_{}_bytes{{store="host"}}'
# One sample a minute: 30 answers, of 60 supported sentences, and nothing wrong.
HEALTHY = {
    f'{ANSWERS},outcome="answered",cause="none"}}': "0+30x60",
    f'{FAILURES},cause="engine"}}': "0x60",
    f'{SENTENCES},fate="supported"}}': "0+60x60",
    f'{SENTENCES},fate="withheld"}}': "0+2x60",
    f'{SHOWN}_bucket{MINE},le="10.0"}}': "0+30x60",
    f"{SHOWN}_count{MINE}}}": "0+30x60",
    FILTERS: "0x60",
    'surefoot_refusals_total{why="queue"}': "0x60",
    MEMORY.format("limit"): "100x60",
    MEMORY.format("available"): "50x60",
    'up{job="surefoot"}': "1x60",
    "surefoot_telemetry_errors_total": "0x60",
}
BOTH = ("page", "ticket")
# What changes, and the severities of the alerts that fire after an hour.
SCENES: tuple[tuple[str, Mapping[str, str], Mapping[str, tuple[str, ...]]], ...] = (
    ("healthy", {}, {}),
    (
        "one in eleven fails",
        {f'{FAILURES},cause="engine"}}': "0+3x60"},
        {"SurefootFailures": BOTH},
    ),
    (
        "one in sixty fails",
        {f'{FAILURES},cause="engine"}}': "0+0.5x60"},
        {"SurefootFailures": ("ticket",)},
    ),
    (
        "it is over: what burns slowly is still told",
        {f'{FAILURES},cause="engine"}}': "0+9x20 180x40"},
        {"SurefootFailures": ("ticket",)},
    ),
    (
        "three questions in a quiet night",
        {
            f'{ANSWERS},outcome="answered",cause="none"}}': "0x60",
            f'{FAILURES},cause="engine"}}': "0x57 1 2 3",
            f'{SENTENCES},fate="supported"}}': "0x60",
            f'{SENTENCES},fate="withheld"}}': "0x57 1 2 3",
        },
        {},
    ),
    (
        "readers leave, and ask too much",
        {
            f'{FAILURES},cause="left"}}': "0+30x60",
            f'{FAILURES},cause="prompt_too_long"}}': "0+30x60",
        },
        {},
    ),
    ("a shadow fails", {SHADOW: "0+30x60"}, {}),
    ("slow", {f'{SHOWN}_bucket{MINE},le="10.0"}}': "0x60"}, {"SurefootSlow": BOTH}),
    (
        "a model that makes things up",
        {f'{SENTENCES},fate="withheld"}}': "0+600x60"},
        {"SurefootUnsupported": BOTH},
    ),
    ("a filter fails", {FILTERS: "0+1x60"}, {"SurefootFilterErrors": BOTH}),
    (
        "no room",
        {'surefoot_refusals_total{why="queue"}': "0+30x60"},
        {"SurefootRefusals": BOTH},
    ),
    ("wrong keys", {'surefoot_refusals_total{why="key"}': "0+30x60"}, {}),
    ("memory runs out", {MEMORY.format("available"): "5x60"}, {"SurefootMemory": ("page",)}),
    ("nobody there", {'up{job="surefoot"}': "0x60"}, {"SurefootDown": ("page",)}),
    (
        "a canary was taken back",
        {'surefoot_release_state{variant="new",state="rolled_back"}': "1x60"},
        {"SurefootCanaryRolledBack": ("ticket",)},
    ),
    (
        "telemetry is broken",
        {"surefoot_telemetry_errors_total": "0+1x60"},
        {"SurefootBlind": ("ticket",)},
    ),
)


def test_every_alert_has_a_scene_in_which_it_fires() -> None:
    made = {(rule["alert"], rule["labels"]["severity"]) for rule in rules() if "alert" in rule}
    seen = {
        (name, severity) for _, _, fires in SCENES for name in fires for severity in fires[name]
    }
    assert seen == made


def test_alerts_fire_when_they_should_and_only_then(tmp_path: Path) -> None:
    promtool = tool("promtool")
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules_file(), sort_keys=False))
    tests = tmp_path / "tests.yml"
    tests.write_text(
        yaml.safe_dump(
            {
                "rule_files": ["rules.yml"],
                "evaluation_interval": "1m",
                "tests": [_scene(*scene) for scene in SCENES],
            }
        )
    )
    assert "SUCCESS" in run(promtool, "test", "rules", str(tests))


def _scene(
    name: str, changes: Mapping[str, str], fires: Mapping[str, tuple[str, ...]]
) -> dict[str, Any]:
    series = {**HEALTHY, **changes}
    return {
        "name": name,
        "interval": "1m",
        "input_series": [{"series": key, "values": values} for key, values in series.items()],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname, severity) (ALERTS{alertstate="firing"})',
                "eval_time": f"{MINUTES}m",
                "exp_samples": [
                    {
                        "labels": f'{{alertname="{alert}", severity="{severity}"}}',
                        "value": 1,
                    }
                    for alert, severities in fires.items()
                    for severity in severities
                ],
            }
        ],
    }


def surefoot(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ui.cli", "telemetry", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("name", "holds"), [("dashboard", "panels"), ("alerts", "groups"), ("prometheus", "global")]
)
def test_the_command_prints_or_writes_a_file(tmp_path: Path, name: str, holds: str) -> None:
    printed = surefoot(name)
    out = tmp_path / "file"
    written = surefoot(name, "--out", str(out))
    assert (printed.returncode, written.returncode, written.stdout) == (0, 0, "")
    assert out.read_text() == printed.stdout
    assert holds in yaml.safe_load(printed.stdout)


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    done = surefoot("alerts", "--out", str(tmp_path / "no" / "where.yml"))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
