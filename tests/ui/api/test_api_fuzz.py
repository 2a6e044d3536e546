"""Every operation of the OpenAPI document, with what fits its schema and what does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
EXAMPLES = 30
QUIET = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
OPERATIONS = [
    ("POST", "/v1/chat/completions"),
    ("GET", "/v1/models"),
    ("POST", "/v1/embeddings"),
    ("POST", "/ask"),
    ("POST", "/search"),
    ("GET", "/conversations"),
    ("DELETE", "/conversations/{name}"),
    ("GET", "/documents"),
    ("POST", "/documents"),
    ("DELETE", "/documents"),
    ("GET", "/traces/{id}"),
    ("POST", "/feedback"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
]


@pytest.fixture(scope="module")
def fuzzed(make_running: Any) -> Iterator[Any]:
    with make_running() as server:
        yield server


@pytest.fixture(scope="module")
def schema(fuzzed: Any) -> Any:
    return schemathesis.openapi.from_url(f"{fuzzed.url}/openapi.json")


def test_the_document_names_every_operation(schema: Any) -> None:
    found = {(item.ok().method.upper(), item.ok().path) for item in schema.get_all_operations()}
    assert found == set(OPERATIONS)


# Where a caller gives nothing, nothing can be wrong.
FITTING = [(*operation, GenerationMode.POSITIVE) for operation in OPERATIONS]
WRONG = [
    (*operation, GenerationMode.NEGATIVE)
    for operation in OPERATIONS
    if operation[1] not in ("/healthz", "/readyz")
]


@pytest.mark.parametrize(("method", "path", "mode"), FITTING + WRONG)
def test_nothing_ends_in_a_fault(
    fuzzed: Any, schema: Any, method: str, path: str, mode: GenerationMode
) -> None:
    operation = schema[path][method]
    headers = {"authorization": f"Bearer {fuzzed.secrets['all']}"}
    model = {"/v1/chat/completions": "surefoot", "/v1/embeddings": "hash"}.get(path)

    @QUIET
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        if model and mode is GenerationMode.POSITIVE:
            case.body["model"] = model
        case.call_and_validate(headers=headers, checks=CHECKS, timeout=20)

    send()


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_no_bytes_end_in_a_fault(fuzzed: Any, method: str, path: str) -> None:
    kinds = st.sampled_from(["application/json", "multipart/form-data; boundary=x", "text/plain"])

    with fuzzed.client() as client:

        @QUIET
        @given(body=st.binary(max_size=200), kind=kinds)
        def send(body: bytes, kind: str) -> None:
            done = client.request(method, path, content=body, headers={"content-type": kind})
            assert done.status_code < 500, (body, done.text)

        send()


@pytest.mark.parametrize(
    "question", ["\ud800", "\x00", "a" * 20_000, "‮", "﷽" * 100, "' OR 1=1 --", '"']
)
def test_odd_questions(fuzzed: Any, question: str) -> None:
    with fuzzed.client() as client:
        for path in ("/ask", "/search"):
            body = json.dumps({"question": question})
            done = client.post(path, content=body, headers={"content-type": "application/json"})
            assert done.status_code in (200, 400), done.text
