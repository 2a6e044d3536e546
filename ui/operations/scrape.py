"""How Prometheus finds the service. Pure."""

from __future__ import annotations

from typing import Any


def prometheus_file(target: str, key_file: str, rules: str, seconds: int = 15) -> dict[str, Any]:
    """The config: `target` is host:port, `key_file` holds an API key of the scope `metrics`."""
    job: dict[str, Any] = {
        "job_name": "surefoot",
        "metrics_path": "/metrics",
        "static_configs": [{"targets": [target]}],
    }
    if key_file:
        job["authorization"] = {"type": "Bearer", "credentials_file": key_file}
    return {
        "global": {"scrape_interval": f"{seconds}s", "evaluation_interval": f"{seconds}s"},
        "rule_files": [rules] if rules else [],
        "scrape_configs": [job],
    }
