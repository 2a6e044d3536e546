"""An answer as it streams, for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.markup import escape

from rag.safety.rules import MASKED
from rag.types import Answer, AnswerEvent, Sentence, Shown
from ui.console import OUT
from ui.conversation_view import history_note
from ui.view import (
    Numbering,
    flag_mark,
    left_out_lines,
    short,
    source_name,
    support_mark,
    version_note,
)

QUOTE_WIDTH = 160
FLAG = "⚑"


def print_answer(events: Iterable[AnswerEvent]) -> Answer:
    """Print sentences as they come, then sources, support and timings. Returns the answer."""
    numbering = Numbering()
    answer = answer_of(_printed(events, numbering))
    OUT.print()
    _print_flags(answer)
    _print_sources(answer, numbering)
    _print_facts(answer)
    return answer


def answer_of(events: Iterable[AnswerEvent]) -> Answer:
    """The answer that a stream ends with."""
    for event in events:
        if isinstance(event, Answer):
            return event
    raise AssertionError("a stream always ends with its answer")


def _printed(events: Iterable[AnswerEvent], numbering: Numbering) -> Iterator[AnswerEvent]:
    for event in events:
        if isinstance(event, Shown):
            _print_sentence(event.sentence, numbering)
        yield event


def kept(events: Iterable[AnswerEvent], shown: list[Shown]) -> Iterator[AnswerEvent]:
    """The events as they come; sentences are added to `shown`."""
    for event in events:
        if isinstance(event, Shown):
            shown.append(event)
        yield event


def _print_sentence(sentence: Sentence, numbering: Numbering) -> None:
    marks = "".join(f"[{number}]" for number in numbering.numbers(sentence.citations))
    body, tail = sentence.text.rstrip(), sentence.text[len(sentence.text.rstrip()) :]
    OUT.print(escape(body), end="")
    if marks:
        OUT.print(f" [cyan]{escape(marks)}[/]", end="")
    if sentence.flags:
        OUT.print(f" [yellow]{FLAG}[/]", end="")
    if sentence.support is not None and sentence.support < 0.5:
        OUT.print(f" [yellow]({support_mark(sentence.support)})[/]", end="")
    OUT.print(tail or " ", end="", markup=False)


def _print_flags(answer: Answer) -> None:
    """What the mark after a sentence means, and what it is about."""
    flagged = ", ".join(filter(None, map(flag_mark, answer.sentences)))
    if flagged:
        line = f"{FLAG} stands in no passage that was read: {flagged}"
        OUT.print(f"  [yellow]{escape(line)}[/]")


def _print_sources(answer: Answer, numbering: Numbering) -> None:
    support = {
        (citation.document, citation.start): sentence.support
        for sentence in answer.sentences
        for citation in sentence.citations
    }
    for number, citation in enumerate(numbering.citations, start=1):
        score = support.get((citation.document, citation.start)) or 0.0
        name = escape(source_name(answer.passages, citation))
        OUT.print(f"  [cyan]{escape(f'[{number}]')}[/] {name}  [dim]support {score:.2f}[/]")
        OUT.print(f"      [dim]“{escape(short(citation.quote, QUOTE_WIDTH))}”[/]")
        if note := version_note(answer.passages, citation):
            OUT.print(f"      [dim]{escape(note)}[/]")


def _print_facts(answer: Answer) -> None:
    masked = {label for label in _labels(answer) if f"<{label}>" in answer.text}
    facts: list[str] = [answer.status]
    if answer.where:
        facts.append(f"only {answer.where}")
    if answer.cause:
        facts.append(answer.cause)
    if answer.withheld:
        facts.append(f"{answer.withheld} unsupported sentence(s) withheld")
    if masked:
        facts.append("masked: " + ", ".join(sorted(masked)))
    OUT.print(f"  [dim]{escape(' · '.join(facts))}[/]")
    for line in left_out_lines(answer):
        OUT.print(f"  [dim]{escape(line)}[/]")
    if note := history_note(answer.tokens.dropped):
        OUT.print(f"  [dim]{escape(note)}[/]")
    times = answer.timings_ms
    shown = f"first shown {times['first_shown'] / 1000:.1f} s, " if "first_shown" in times else ""
    OUT.print(
        f"  [dim]{shown}total {times['total'] / 1000:.1f} s · {answer.tokens.prompt} prompt and "
        f"{answer.tokens.completion} answer tokens · {escape(answer.model.name)}[/]"
    )


def _labels(answer: Answer) -> set[str]:
    return {finding.label for finding in answer.findings if finding.action in MASKED}
