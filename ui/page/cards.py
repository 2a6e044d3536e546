"""The page's states as HTML: answered, "I don't know", not answered, trouble, empty. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from rag.types import Answer, Sentence
from ui.page.marks import escape, inline, legend, sentences_html
from ui.page.sources import nearest_html, sources_html
from ui.page.words import label_name, rephrase
from ui.view import Numbering, left_out_lines

STOPPED = "stopped by the reader"
_UNKNOWN = re.compile(r"^I don['’]t know:\s*")
_NEAREST = re.compile(r" (?:Searched for|Nearest were): ")
_CAUSE = re.compile(r"^[\w.-]+: ([A-Z][A-Z_]+)$")
COMMAND = "surefoot ingest PATH --kb {}"


def question_html(question: str) -> str:
    """What was asked."""
    return f'<div class="sf-question"><div>{escape(question)}</div></div>'


def partial_html(sentences: Sequence[Sentence], group: str) -> str:
    """An answer while it is being written."""
    text = sentences_html(sentences, Numbering(), (), group)
    return f'<div class="sf-answer" role="log">{text}</div>'


def answer_html(answer: Answer, group: str) -> str:
    """A whole answer in its state, with its sources."""
    return _body(answer, group, True) + _notes(answer)


def said_html(answer: Answer, group: str) -> str:
    """An answer in its state, by itself: its sources are beside it."""
    return _body(answer, group, False) + _notes(answer)


def evidence_html(answer: Answer) -> str:
    """What an answer rests on, every passage open: the sources, or what came nearest."""
    numbering = Numbering()
    for sentence in answer.sentences:
        numbering.numbers(sentence.citations)
    if numbering.citations:
        return sources_html(numbering.citations, answer.passages, opened=True)
    nearest = nearest_html(answer.passages, opened=True)
    return nearest or '<p class="sf-quiet">No passage was found.</p>'


def trouble_html(problem: str, hint: str = "") -> str:
    """Something that went wrong, in one line, and what to do about it."""
    return state("trouble", "That did not work", f"<p>{escape(problem)}</p>", hint)


def no_base_html(problem: str, kb: Path | None) -> str:
    """There is no knowledge base to ask."""
    command = COMMAND.format(escape(str(kb)) if kb else "DIR")
    body = (
        f"<p>{escape(problem)}</p><p>Make one from a folder or a file:</p>"
        f'<pre class="sf-command">{command}</pre>'
    )
    return state("empty", "No knowledge base", body)


def welcome_html(name: str, documents: int) -> str:
    """The page before the first question."""
    count = f"{documents} document{'' if documents == 1 else 's'}"
    return (
        f'<div class="sf-welcome"><h1>Ask {escape(name)}</h1>'
        f"<p>Answers come from {count}, sentence by sentence, each with the words that support "
        "it. What the documents don’t say, the answer doesn’t either.</p></div>"
    )


def status_html(words: str, seconds: float) -> str:
    """What is going on, quietly."""
    shown = f" {seconds:.0f} s" if seconds >= 3 else ""
    return (
        f'<div class="sf-status" role="status"><span class="sf-pulse"></span>{escape(words)}'
        f"<span>{shown}</span></div>"
    )


def state(kind: str, title: str, body: str, quiet: str = "") -> str:
    """A card. `body` is HTML, the rest is text."""
    foot = f'<p class="sf-quiet">{escape(quiet)}</p>' if quiet else ""
    return (
        f'<section class="sf-state sf-{kind}" role="status"><h4>{escape(title)}</h4>'
        f"{body}{foot}</section>"
    )


def cause_words(cause: str | None) -> str:
    """A verdict's cause for people: "injection: PROMPT_INJECTION" is "instruction"."""
    if not cause:
        return ""
    match = _CAUSE.match(cause)
    return label_name(match[1]) if match else cause


def _body(answer: Answer, group: str, sources: bool) -> str:
    if answer.cause == STOPPED:
        return _stopped(answer, group, sources)
    if answer.status == "abstained":
        return _abstained(answer, sources)
    if answer.status == "blocked":
        return _blocked(answer, group, sources)
    return _answered(answer, answer.sentences, group, sources)


def _answered(answer: Answer, sentences: Sequence[Sentence], group: str, sources: bool) -> str:
    numbering = Numbering()
    text = sentences_html(sentences, numbering, answer.passages, group)
    claims = any(sentence.support is not None for sentence in sentences)
    return (
        f'<div class="sf-answer">{text}</div>{legend() if claims else ""}'
        f"{sources_html(numbering.citations, answer.passages) if sources else ''}"
    )


def _abstained(answer: Answer, sources: bool) -> str:
    lead = _NEAREST.split(_UNKNOWN.sub("", answer.text))[0].strip()
    lead = lead[:1].upper() + lead[1:]
    nearest = nearest_html(answer.passages) if sources else ""
    body = f"<p>{inline(lead)} {escape(rephrase(answer.cause))}</p>{nearest}"
    cause = cause_words(answer.cause)
    return state("unknown", "I don’t know", body, f"Why: {cause}" if cause else "")


def _blocked(answer: Answer, group: str, sources: bool) -> str:
    """The notice is the last sentence; what was shown before it stays."""
    *before, notice = answer.sentences
    shown = _answered(answer, before, group, sources) if before else ""
    title = "Stopped for safety" if before else "Not answered"
    cause = cause_words(answer.cause)
    body = f"<p>{inline(notice.text.strip())}</p>"
    return shown + state("blocked", title, body, f"Reason: {cause}" if cause else "")


def _stopped(answer: Answer, group: str, sources: bool) -> str:
    if answer.sentences:
        note = '<p class="sf-note">You stopped the answer here.</p>'
        return _answered(answer, answer.sentences, group, sources) + note
    return state("unknown", "Stopped", "<p>You stopped before anything could be shown.</p>")


def _notes(answer: Answer) -> str:
    """What was kept from the reader, and what from the model."""
    said = [*_withheld(answer), *left_out_lines(answer)]
    return "".join(f'<p class="sf-note">{escape(line)}</p>' for line in said)


def _withheld(answer: Answer) -> list[str]:
    if not answer.withheld:
        return []
    if answer.withheld == 1:
        return ["1 sentence was withheld because no source supports it."]
    return [f"{answer.withheld} sentences were withheld because no source supports them."]
