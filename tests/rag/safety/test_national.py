"""Checks of national numbers and coins: published examples pass, and one changed digit does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.safety import national
from rag.safety.checks import iban
from rag.safety.coins import bech32, ethereum, keccak256

SOUND: list[tuple[Callable[[str], bool], str]] = [
    (national.aadhaar, "2363 5914 9023"),
    (national.pesel, "44051401359"),
    (national.spain, "12345678Z"),
    (national.spain, "X1234567L"),
    (national.sweden, "811218-9876"),
    (national.netherlands, "111222333"),
    (national.germany, "86095742719"),
    (national.italy, "RSSMRA85T10A562S"),
    (national.australia, "123 456 782"),
    (national.belgium, "93.05.18-223.61"),
    (iban, "DE89 3704 0044 0532 0130 00"),
    (bech32, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),
]


@pytest.mark.parametrize(("check", "number"), SOUND)
def test_a_sound_number_passes_and_a_changed_one_does_not(
    check: Callable[[str], bool], number: str
) -> None:
    assert check(number)
    place = max(i for i, c in enumerate(number[:-1]) if c.isdigit())
    changed = str((int(number[place]) + 1) % 10) if number[place] != "0" else "2"
    assert not check(number[:place] + changed + number[place + 1 :])


def test_an_iban_has_the_length_of_its_country() -> None:
    assert iban("GB82WEST12345698765432")
    assert not iban("GB82WEST123456987654320")


def test_keccak_of_nothing() -> None:
    known = "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert keccak256(b"").hex() == known


def test_an_ethereum_address_has_its_capitals_right() -> None:
    address = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
    assert ethereum(address)
    assert ethereum(address.lower())
    assert not ethereum(address[:-1] + "D")
    assert not ethereum("0x" + "0" * 40)


@given(st.from_regex(r"[0-9]{11}", fullmatch=True))
def test_checks_of_digits_never_fail(digits: str) -> None:
    for check in (national.pesel, national.germany, national.sweden, national.aadhaar):
        assert check(digits) in (True, False)
