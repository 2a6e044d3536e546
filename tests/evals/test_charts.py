"""Pictures: well-formed, inert, the same bytes each time, and never by colour alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree import ElementTree

import numpy as np
import pytest

from evals.report.charts import (
    Axes,
    Interval,
    Line,
    Mark,
    distribution,
    intervals,
    lines,
    reliability,
)

HOSTILE = "<script>alert(1)</script> \"x\" onload='y' $\\frac{ 日本\x00\x1b"
UNIT = np.linspace(0, 1, 50)


def curves() -> str:
    measured = [Line("one", UNIT, UNIT**2, step=True), Line("two", UNIT, 1 - UNIT)]
    return lines(HOSTILE, Axes("x", "y"), measured, Line("guess", UNIT, UNIT))


def marked() -> str:
    marks = [Mark("<here>", 0.2, 0.3), Mark("there", 0.8, 0.1)]
    return lines(HOSTILE, Axes("x", "y"), [Line("one", UNIT, UNIT)], marks=marks)


def histogram() -> str:
    chance = np.random.default_rng(0)
    groups = {"good": chance.beta(2, 5, 200), "bad": chance.beta(5, 2, 100)}
    return distribution(HOSTILE, Axes("score", "share", y_range=None), groups)


def logarithmic() -> str:
    return distribution(HOSTILE, Axes("ms", "share", None, None), {"t": UNIT + 0.1}, log=True)


def calibration() -> str:
    x = UNIT[::10]
    return reliability(HOSTILE, Axes("x", "y"), x, x, np.maximum(0, x - 0.1), x)


def bars() -> str:
    rows = [Interval(HOSTILE, 0.5, 0.4, 0.6, 30), Interval("PERSON", 0.9, 0.8, 0.95, 1200)]
    return intervals(HOSTILE, Axes("recall", "", y_range=None), rows)


DRAWINGS = [curves, marked, histogram, logarithmic, calibration, bars]


@pytest.mark.parametrize("draw", DRAWINGS)
def test_is_one_element_with_its_meaning_in_words(draw: Callable[[], str]) -> None:
    svg = draw()
    assert svg.startswith("<svg viewBox=")
    root = ElementTree.fromstring(svg.replace("\x00", "").replace("\x1b", ""))
    assert root.attrib["role"] == "img"
    assert "alert(1)" in root.attrib["aria-label"]


@pytest.mark.parametrize("draw", DRAWINGS)
def test_same_input_same_bytes(draw: Callable[[], str]) -> None:
    assert draw() == draw()


@pytest.mark.parametrize("draw", DRAWINGS)
def test_holds_no_markup_of_others_and_no_address(draw: Callable[[], str]) -> None:
    svg = draw()
    assert "<script" not in svg
    assert "<style" not in svg
    assert "http" not in svg
    assert not re.search(r'<g id=|onload="|metadata|DejaVu', svg)
    assert all(target.startswith("#") for target in re.findall(r'href="([^"]*)"', svg))


@pytest.mark.parametrize("draw", DRAWINGS)
def test_colours_are_the_pages_own(draw: Callable[[], str]) -> None:
    svg = draw()
    assert not re.findall(r"(?:stroke|fill): ?#[0-9a-f]{6}", svg)
    assert "var(--series-1)" in svg
    assert "currentColor" in svg


def test_series_differ_by_more_than_colour() -> None:
    dashes = {
        match[1]: match[0].count("dasharray")
        for match in re.finditer(r'style="[^"]*?stroke: var\(--series-(\d)\)[^"]*"', curves())
    }
    assert dashes == {"1": 0, "2": 1}
    assert "<pattern" in histogram()


def test_one_value_alone_can_be_drawn() -> None:
    one = {"all": np.array([3.0])}
    assert "<path" in distribution("one", Axes("x", "y", None, None), one)
    assert "<path" in distribution("one", Axes("x", "y", None, None), one, log=True)


@pytest.mark.parametrize("high", [1.2, 40.0, 90_000.0])
def test_logarithmic_axes_have_plain_numbers(high: float) -> None:
    svg = distribution("t", Axes("ms", "", None, None), {"t": UNIT * high + 1}, log=True)
    texts = re.findall(r">([^<>\n]+)</text>", svg)
    assert "$" not in "".join(texts)
    assert sum(text.replace(",", "").isdigit() for text in texts) >= (high > 2)


def test_a_long_label_is_cut() -> None:
    rows = [Interval("L" * 500, 0.5, 0.4, 0.6, 1)]
    assert "L" * 40 not in intervals("alt", Axes("x", "", y_range=None), rows)
