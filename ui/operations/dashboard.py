"""The Grafana dashboard, as the JSON that Grafana imports. Pure: panels in, a dictionary out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from string import ascii_uppercase
from typing import Any

from ui.operations.panels import CANARY, COST, LATENCY, QUALITY, RESOURCES, TRAFFIC
from ui.operations.queries import Panel

SCHEMA = 41  # of Grafana 11.6; newer ones bring it up to date when they load it
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH, HEIGHT, ACROSS = 6, 8, 4

ROWS: tuple[tuple[str, tuple[Panel, ...]], ...] = (
    ("Traffic", TRAFFIC),
    ("Latency", LATENCY),
    ("Quality and safety", QUALITY),
    ("Cost", COST),
    ("Resources", RESOURCES),
    ("Canary", CANARY),
)


def dashboard() -> dict[str, Any]:
    """The whole dashboard. Its data source is a variable, so that it loads anywhere."""
    return {
        "uid": "surefoot",
        "title": "Surefoot",
        "description": "How the service answers: how often, how fast, how well, at what cost.",
        "tags": ["surefoot", "rag"],
        "timezone": "browser",
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "schemaVersion": SCHEMA,
        "time": {"from": "now-6h", "to": "now"},
        "annotations": {"list": []},
        "templating": {"list": _variables()},
        "panels": list(_placed(ROWS)),
    }


def _variables() -> list[dict[str, Any]]:
    every = {"text": "All", "value": "$__all"}
    return [
        {
            "name": "datasource",
            "label": "Data source",
            "type": "datasource",
            "query": "prometheus",
        },
        {
            "name": "variant",
            "label": "Variant",
            "type": "query",
            "datasource": SOURCE,
            "query": "label_values(surefoot_answers_total, variant)",
            "refresh": 2,
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "current": every,
        },
    ]


def _placed(rows: Sequence[tuple[str, tuple[Panel, ...]]]) -> Iterator[dict[str, Any]]:
    """Rows below each other, panels side by side in each."""
    number, top = 0, 0
    for title, panels in rows:
        number += 1
        yield _row(title, number, top)
        top += 1
        for place, panel in enumerate(panels):
            number += 1
            down, right = divmod(place, ACROSS)
            yield _panel(panel, number, right * WIDTH, top + down * HEIGHT)
        top += HEIGHT * -(-len(panels) // ACROSS)


def _row(title: str, number: int, top: int) -> dict[str, Any]:
    place = {"h": 1, "w": WIDTH * ACROSS, "x": 0, "y": top}
    return {
        "id": number,
        "type": "row",
        "title": title,
        "collapsed": False,
        "gridPos": place,
        "panels": [],
    }


def _panel(panel: Panel, number: int, left: int, top: int) -> dict[str, Any]:
    stacking = {"mode": "normal" if panel.stacked else "none", "group": "A"}
    custom = {"fillOpacity": 20 if panel.stacked else 0, "showPoints": "never"}
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.text,
        "datasource": SOURCE,
        "gridPos": {"h": HEIGHT, "w": WIDTH, "x": left, "y": top},
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "min": 0, "custom": {**custom, "stacking": stacking}},
            "overrides": [],
        },
        "options": {
            "legend": {
                "showLegend": True,
                "displayMode": "list",
                "placement": "bottom",
                "calcs": [],
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": [
            {
                "refId": name,
                "datasource": SOURCE,
                "expr": query.expr,
                "legendFormat": query.legend or "__auto",
            }
            for name, query in zip(ascii_uppercase, panel.queries, strict=False)
        ],
    }
