"""Personal data: what is found, and what must be left alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.errors import FilterError
from rag.safety.build import build_pii
from rag.safety.checks import luhn
from rag.safety.guard import Guard
from rag.safety.names.opening import open_names
from rag.safety.pii import PiiFilter
from rag.safety.policy import DEFAULT, Rule
from rag.safety.stream import filter_text
from rag.types import Decision, Verdict

NAMED = PiiFilter(open_names())


@pytest.fixture(scope="module")
def pii() -> PiiFilter:
    return PiiFilter(None)


FOUND = [
    ("Mail bob.o'neil@x-y.co.uk today", "EMAIL_ADDRESS", "bob.o'neil@x-y.co.uk"),
    ("jane [at] firm [dot] com", "EMAIL_ADDRESS", "jane [at] firm [dot] com"),
    ("ring +44 20 7946 0958 now", "PHONE_NUMBER", "+44 20 7946 0958"),
    ("It is (415) 555-2671.", "PHONE_NUMBER", "(415) 555-2671"),
    ("415-555-2671 x12", "PHONE_NUMBER", "415-555-2671 x12"),
    ("Mobile: 723 813 266", "PHONE_NUMBER", "723 813 266"),
    ("Rufen Sie 030 901820 an: +49 30 901820", "PHONE_NUMBER", "+49 30 901820"),
    ("call me on 01.84.17.61.18", "PHONE_NUMBER", "01.84.17.61.18"),
    ("card 4111 1111 1111 1111 ok", "CREDIT_CARD", "4111 1111 1111 1111"),
    ("378282246310005", "CREDIT_CARD", "378282246310005"),
    ("DE89 3704 0044 0532 0130 00", "IBAN_CODE", "DE89 3704 0044 0532 0130 00"),
    ("my iban is gb82west12345698765432", "IBAN_CODE", "gb82west12345698765432"),
    ("account number 12345678", "BANK_ACCOUNT", "12345678"),
    ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "CRYPTO", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
    ("SSN 536-90-4399", "US_SSN", "536-90-4399"),
    ("social security 536904399", "US_SSN", "536904399"),
    ("NHS number 943 476 5919", "HEALTH_ID", "943 476 5919"),
    ("NINO AB 12 34 56 C", "NATIONAL_ID", "AB 12 34 56 C"),
    ("CPF 529.982.247-25", "NATIONAL_ID", "529.982.247-25"),
    ("Passport number X12345678", "PASSPORT", "X12345678"),
    ("driver's license D1234-56789", "DRIVER_LICENSE", "D1234-56789"),
    ("DOB: 12/03/1985", "DATE_OF_BIRTH", "12/03/1985"),
    ("date of birth is March 12, 1985", "DATE_OF_BIRTH", "March 12, 1985"),
    ("at 192.168.1.10 now", "IP_ADDRESS", "192.168.1.10"),
    ("fe80::1ff:fe23:4567:890a", "IP_ADDRESS", "fe80::1ff:fe23:4567:890a"),
    ("00:1A:2B:3C:4D:5E", "MAC_ADDRESS", "00:1A:2B:3C:4D:5E"),
    ("at 123 N. Main St., Springfield, IL 62704", "STREET_ADDRESS", None),
    ("Hauptstraße 12, 10115 Berlin", "STREET_ADDRESS", None),
    ("12 rue de la Paix, 75002 Paris", "STREET_ADDRESS", None),
    ("PO Box 123", "STREET_ADDRESS", "PO Box 123"),
    ("I just turned 42.", "AGE", "42"),
    ("a 7-year-old boy, 42 y/o", "AGE", "42 y/o"),
    ("PESEL 44051401359", "NATIONAL_ID", "44051401359"),
    ("DNI 12345678Z", "NATIONAL_ID", "12345678Z"),
    ("personnummer 811218-9876", "NATIONAL_ID", "811218-9876"),
    ("BSN 111222333", "NATIONAL_ID", "111222333"),
    ("RSSMRA85T10A562S", "NATIONAL_ID", "RSSMRA85T10A562S"),
    ("P<GBRSMITH<<JOHN<PAUL<<<<<<<<<<<<<<<<<<<<<<<", "PASSPORT", None),
    ("to 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "CRYPTO", None),
    ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "CRYPTO", None),
    ("https://a.example/f?sig=Zq81kd0Pw3nVx7", "SECRET", "Zq81kd0Pw3nVx7"),
    ("bot 110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw", "API_KEY", None),
    ("xapp-1-A0B1C2D3E4F5-9876543210", "API_KEY", None),
    ("key AKIAIOSFODNN7EXAMPLE", "API_KEY", "AKIAIOSFODNN7EXAMPLE"),
    ("ghp_" + "a1B2" * 9, "API_KEY", "ghp_" + "a1B2" * 9),
    ("eyJhbGciOiJIUzI1.eyJzdWIiOiIx.SflKxwRJSM", "API_KEY", None),
    ("api_key = 'f3Kq9ZxT71LmP0aa'", "SECRET", "f3Kq9ZxT71LmP0aa"),
    ("password: hunter2!", "PASSWORD", "hunter2!"),
    ("postgres://joe:s3cr3t@db/x", "PASSWORD", "s3cr3t"),
    ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----", "PRIVATE_KEY", None),
]


@pytest.mark.parametrize(("text", "label", "span"), FOUND)
def test_found(pii: PiiFilter, text: str, label: str, span: str | None) -> None:
    found = {f.label: text[f.start : f.end] for f in pii.find(text, "answer") if f.score >= 0.5}
    assert label in found
    if span is not None:
        assert found[label] == span


LEFT_ALONE = [
    "Error E-42 on part HX-2200-07, revision B2-1000-33.",
    "Version 1.2.3, v10.4.12 and release 2024.1.0; Python 3.11.4.",
    "On 2019-03-04, 12/03/2019 and 04.03.2019 at 10:30-11:45.",
    "2019-2023, 1914 - 1918, pages 100-250, 2015/2016",
    "It costs $3,400,000 or 1 200 000 EUR, 19.99 each, 1.000.000 in all.",
    "ISBN 978-3-16-148410-0, order 4111111111, ticket 20231104.",
    "Section 4.1.1.1 and 7.1.1.2; netmask 255.255.255.0; bind 0.0.0.0 or 127.0.0.1.",
    "The subnet 10.0.0.0/8 and std::vector, a[1::3], 12:30:45.",
    "sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "The password is required. password: string. token: ${TOKEN}, api_key: <your key>",
    "Born in 1985, she won in 1999 and 2003.",
    "In 1978 Supreme Court cases rose by 50 percent.",
    "uid 1000, port 8080, 65535 ports, exit code 137, 3.14159265",
    "Beyoncé (born September 4, 1981) is a singer.",
    "Take 5 to 10 ml every 4-6 hours, at most 4000 mg in 24 hours.",
    "Windows 10, 1920x1080, 16:9, 60 Hz, +5 V, -40 to +85 degrees",
    "Pay to GB82 WEST 1234 5698 7654 33 or 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD.",
    "It turned 90 degrees; page=12&key=value; 20231104-123456",
    "http://docs.example/kb/315939/en-us and https://a.b/115003498363-calls",
]


@pytest.mark.parametrize("text", LEFT_ALONE)
@pytest.mark.parametrize("stage", ["passage", "answer"])
def test_left_alone(pii: PiiFilter, text: str, stage: str) -> None:
    verdict = Guard([pii], DEFAULT).check(text, "passage" if stage == "passage" else "answer")
    assert verdict.text == text, verdict.findings


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_findings_lie_in_the_text_and_have_scores(text: str) -> None:
    for finding in PiiFilter(None).find(text, "answer"):
        assert 0 <= finding.start < finding.end <= len(text)
        assert 0 < finding.score <= 1


@given(st.from_regex(r"[2-9]\d{2}-[2-9]\d{2}-\d{4}", fullmatch=True))
def test_labelled_phones_never_pass(number: str) -> None:
    guard = Guard([PiiFilter(None)], DEFAULT)
    assert number not in guard.check(f"Please call {number} today.", "answer").text


@given(st.integers(10**14, 10**15 - 1))
def test_every_visa_number_with_a_right_check_digit_is_redacted(stem: int) -> None:
    body = f"4{stem}"[:15]
    number = next(body + str(d) for d in range(10) if luhn(body + str(d)))
    guard = Guard([PiiFilter(None)], DEFAULT)
    for shape in (number, " ".join(number[i : i + 4] for i in range(0, 16, 4))):
        assert "<CREDIT_CARD>" in guard.check(f"Use {shape} please", "answer").text


@pytest.mark.parametrize(
    "text",
    [
        (unit * 10_000)[:10_000]
        for unit in (
            "a",
            "1",
            " ",
            "<",
            ".",
            "@",
            "1 ",
            "a@",
            "A1-",
            "\n",
            "A ",
            "1 A",
            "a=",
            "://",
        )
    ],
)
def test_hostile_texts_do_not_take_long(pii: PiiFilter, text: str, within: Any) -> None:
    within(8, lambda: pii.find(text, "answer"))


def test_names_need_a_model_when_they_are_wanted() -> None:
    policy = DEFAULT.with_rule("PERSON", Rule("redact"), ["answer"])
    with pytest.raises(FilterError, match="pii"):
        build_pii(None, policy)
    assert isinstance(build_pii(None, DEFAULT), PiiFilter)


def test_names_are_redacted_where_the_policy_says_so() -> None:
    policy = DEFAULT.with_rule("PERSON", Rule("redact", 0.5), ["answer"])
    guard = Guard([build_pii("", policy)], policy)
    verdict = guard.check("Yesterday Barack Obama spoke in Berlin.", "answer")
    assert verdict.decision is Decision.REDACT
    assert "Obama" not in verdict.text
    passage = guard.check("Yesterday Barack Obama spoke in Berlin.", "passage")
    assert passage.findings == ()


@pytest.mark.parametrize(
    "address",
    [
        "17 Larch Brae, Port Callow, PC4 3TN",
        "4 Harbour Row, Skarra, Hestray HS9 5AB",
        "2 The Old Forge, AB10 1XY",
    ],
)
def test_any_street_name_before_a_postcode(address: str) -> None:
    text = f"Contact | {address} | sister"
    found = build_pii(None, DEFAULT).find(text, "passage")
    start = text.index(address)
    assert any(f.start <= start and f.end >= start + len(address) for f in found)


PLANTED = (
    "Mail ann@firm.org. ",
    "Ring +44 20 7946 0958 now.\n",
    "- card 4111 1111 1111 1111\n",
    "She lives at 123 N. Main St., Springfield, IL 62704.\n",
    "Anna Berg met Prof. Lee in Oslo! ",
    "```\nkey = 'ghp_a1B2a1B2a1B2a1B2a1B2a1B2a1B2a1B2a1B2'\n```\n",
    "Dr. No said so. ",
    "SSN 536-90-4399",
    "\n\n",
    "plain words without an end ",
    "Born in 1985. ",
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(PLANTED), max_size=30).map("".join) | st.text(max_size=300))
def test_a_text_has_the_same_findings_whole_and_in_segments(text: str) -> None:
    covered: set[tuple[int, str]] = set()
    position = 0

    def check(segment: str, context: str) -> Verdict:
        nonlocal position
        for f in NAMED.find_after(context + segment, len(context), "answer"):
            at = position - len(context)
            covered.update((i, f.label) for i in range(max(f.start + at, position), f.end + at))
        position += len(segment)
        return Verdict(Decision.ALLOW, segment)

    filter_text(text, check)
    found = NAMED.find(text, "answer")
    assert covered == {(i, f.label) for f in found for i in range(f.start, f.end)}


def test_names_warmed_together_are_those_found_one_by_one() -> None:
    texts = [text for text in PLANTED if text.strip()]
    alone = [NAMED.find(text, "answer") for text in texts]
    NAMED.forget()
    NAMED.warm(texts, "answer")
    together = [NAMED.find(text, "answer") for text in texts]
    spans = [[[(f.start, f.end, f.label) for f in fs] for fs in run] for run in (alone, together)]
    assert spans[0] == spans[1]
