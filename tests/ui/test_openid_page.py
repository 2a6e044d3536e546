"""Sign-in by an OpenID provider: a small one on this machine, the real page, a real browser."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from ingest.build import ingest
from ingest.testing import HashEmbedder

playwright = pytest.importorskip("playwright.sync_api")
jose = pytest.importorskip("joserfc.jwt")
jwk = pytest.importorskip("joserfc.jwk")

pytestmark = pytest.mark.browser
BOX = "[data-testid=stChatInputTextArea]"
SCRIPT = Path(__file__).with_name("shared_fake_page.py")


class Provider(ThreadingHTTPServer):
    """Lets in whoever `claims` says, without asking (OpenID Connect Core 1.0, code flow)."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.key = jwk.RSAKey.generate_key(2048, {"kid": "k", "use": "sig", "alg": "RS256"})
        self.claims: dict[str, Any] = {}
        self.nonce = ""

    def metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def token(self) -> dict[str, Any]:
        now = int(time.time())
        said = {"iss": self.url, "aud": "surefoot", "iat": now, "exp": now + 600}
        said |= {"sub": "7", "nonce": self.nonce, **self.claims}
        signed = jose.encode({"alg": "RS256", "kid": "k"}, said, self.key)
        return {"access_token": "a", "token_type": "Bearer", "id_token": signed}


class Answers(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        if asked.path == "/authorize":
            query = {name: values[0] for name, values in parse_qs(asked.query).items()}
            self.server.nonce = query["nonce"]
            back = urlencode({"code": "c", "state": query["state"]})
            self.send_response(302)
            self.send_header("Location", f"{query['redirect_uri']}?{back}")
            self.end_headers()
        elif asked.path == "/keys":
            self._say({"keys": [self.server.key.as_dict(private=False)]})
        else:
            self._say(self.server.metadata())

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._say(self.server.token())

    def log_message(self, *_: Any) -> None:
        """Nothing: what matters is on the page."""

    def _say(self, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def provider() -> Iterator[Provider]:
    server = Provider()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def url(tmp_path: Path, provider: Provider, serve_script: Any) -> Iterator[str]:
    paths = []
    for group in ("hr", "board"):
        path = tmp_path / f"{group}.md"
        path.write_text(f"# The pay\n\nThe pay of the {group} is secret-{group}.\n")
        ingest([path], tmp_path / "kb", HashEmbedder(), groups=frozenset({group}))
        paths.append(path)
    secrets = tmp_path / ".streamlit" / "secrets.toml"
    secrets.parent.mkdir()
    secrets.write_text(
        f'[auth]\nredirect_uri = "http://127.0.0.1:{{port}}/oauth2callback"\n'
        f'cookie_secret = "{"0123456789abcdef" * 2}"\nclient_id = "surefoot"\n'
        f'client_secret = "s"\nserver_metadata_url = "{provider.url}/openid"\n'
    )
    env = {"SUREFOOT_CHAT_KB": str(tmp_path / "kb"), "SUREFOOT_CHAT_SIGN_IN": "oidc"}
    env |= {"HOME": str(tmp_path), "SUREFOOT_SIGN_IN_ALLOW": "@merrow.example"}
    with serve_script(SCRIPT, tmp_path / "log", **env) as url:
        yield url


def come_in(browser: Any, url: str) -> Any:
    page = browser.new_context().new_page()
    page.goto(url)
    page.get_by_role("button", name="Sign in").click(timeout=60_000)
    return page


def test_claims_decide_what_is_seen(browser: Any, provider: Provider, url: str) -> None:
    provider.claims = {"email": "ada@merrow.example", "groups": ["hr"]}
    page = come_in(browser, url)
    page.wait_for_selector(BOX, timeout=60_000)
    page.fill(BOX, "What is the pay?")
    page.keyboard.press("Enter")
    playwright.expect(page.locator(".sf-why")).to_have_count(1, timeout=30_000)
    assert "secret-hr" in page.content()
    assert "secret-board" not in page.content()
    assert "ada@merrow.example" in page.locator(".sf-who").inner_text()
    page.get_by_role("button", name="Sign out").click()
    playwright.expect(page.get_by_role("button", name="Sign in")).to_be_visible(timeout=15_000)
    page.context.close()


def test_a_stranger_stays_outside(browser: Any, provider: Provider, url: str) -> None:
    provider.claims = {"email": "eve@other.example", "groups": ["hr"]}
    page = come_in(browser, url)
    words = page.get_by_text("Your account may not use this page")
    playwright.expect(words).to_be_visible(timeout=30_000)
    assert page.locator(BOX).count() == 0
    page.context.close()
