"""Recording and alert rules for Prometheus, made from the objectives. Pure."""

from __future__ import annotations

from typing import Any

from ui.operations.objectives import LEAST_EVENTS, OBJECTIVES, WINDOW, Burn, Objective

Rule = dict[str, Any]

RATIO, EVENTS = "surefoot:slo_errors:ratio_rate", "surefoot:slo_events:increase"
LEAST_MEMORY = 0.1
_TAKEN_BACK = 'surefoot_release_state{state="rolled_back"}'
_SECONDS = {"1h": 3600, "6h": 21600, "1d": 86400, "3d": 259200}


def rules_file() -> dict[str, Any]:
    """The whole file: groups of recorded ratios, one an objective, then the alerts."""
    recorded = [
        {"name": f"surefoot-slo-{objective.name}", "rules": recordings(objective)}
        for objective in OBJECTIVES
    ]
    burning = [alert for objective in OBJECTIVES for alert in burn_alerts(objective)]
    return {
        "groups": [
            *recorded,
            {"name": "surefoot-slo-alerts", "rules": burning},
            {"name": "surefoot-alerts", "rules": plain_alerts()},
        ]
    }


def recordings(objective: Objective) -> list[Rule]:
    """The share of bad events in each window, and the number of events in each long one."""
    labels = {"slo": objective.name}
    windows = dict.fromkeys(w for burn in objective.burns for w in (burn.short, burn.long))
    longs = dict.fromkeys(burn.long for burn in objective.burns)
    ratios = [
        {
            "record": f"{RATIO}{window}",
            "expr": f"{_over(objective.bad, window)} / {_over(objective.events, window)}",
            "labels": labels,
        }
        for window in windows
    ]
    counts = [
        {
            "record": f"{EVENTS}{window}",
            "expr": f"{_over(objective.events, window)} * {_SECONDS[window]}",
            "labels": labels,
        }
        for window in longs
    ]
    return [*ratios, *counts]


def burn_alerts(objective: Objective) -> list[Rule]:
    """One alert a severity: it fires by a fast burn or by a slower, longer one."""
    return [
        {
            "alert": objective.alert,
            "expr": "\nor\n".join(
                _burning(objective, burn) for burn in objective.burns if burn.severity == severity
            ),
            "labels": {"severity": severity},
            "annotations": {
                "summary": f"Not kept: {objective.title}",
                "description": "The share of bad events is {{ $value | humanizePercentage }}.",
            },
        }
        for severity in dict.fromkeys(burn.severity for burn in objective.burns)
    ]


def plain_alerts() -> list[Rule]:
    """What is no rate of events: memory, a scrape that fails, a canary that was taken back."""
    return [
        _alert(
            "SurefootMemory",
            f"surefoot_memory_available_bytes / surefoot_memory_limit_bytes < {LEAST_MEMORY}",
            "page",
            "5m",
            "Less than a tenth of the {{ $labels.store }} memory is left.",
        ),
        _alert("SurefootDown", 'up{job="surefoot"} == 0', "page", "2m", "Nobody answers."),
        _alert(
            "SurefootCanaryRolledBack",
            f"{_TAKEN_BACK} == 1 unless {_TAKEN_BACK} offset 1d == 1",
            "ticket",
            "0m",
            "The canary {{ $labels.variant }} broke a gate and was taken back.",
        ),
        _alert(
            "SurefootBlind",
            "increase(surefoot_telemetry_errors_total[15m]) > 0",
            "ticket",
            "0m",
            "Some events are not counted; the log says of what kind the error is.",
        ),
    ]


def _alert(name: str, expr: str, severity: str, lasting: str, summary: str) -> Rule:
    return {
        "alert": name,
        "expr": expr,
        "for": lasting,
        "labels": {"severity": severity},
        "annotations": {"summary": summary},
    }


def _burning(objective: Objective, burn: Burn) -> str:
    """Both windows burn, so that it fires soon and ends soon; and there were enough events."""
    slo, most = f'{{slo="{objective.name}"}}', f"{burn.factor * objective.budget:.6g}"
    return (
        f"({RATIO}{burn.long}{slo} > {most}"
        f" and {RATIO}{burn.short}{slo} > {most}"
        f" and {EVENTS}{burn.long}{slo} >= {LEAST_EVENTS})"
    )


def _over(expression: str, window: str) -> str:
    return expression.replace(WINDOW, window)
