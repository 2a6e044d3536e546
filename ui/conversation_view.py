"""Conversations as JSON, as lines for a terminal, and as Markdown. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rag.conversations import Conversation
from rag.turns import Source, Turn, turn_of
from rag.types import Answer, Dropped
from ui.review_view import printable
from ui.view import place, short

Json = dict[str, Any]

_STEERS = re.compile(r"([\\`*_{}\[\]<>#|])")


def conversation_json(conversation: Conversation) -> Json:
    """A conversation as `conversations list --json` prints it."""
    return {
        "id": conversation.id,
        "name": conversation.name,
        "created": conversation.created,
        "updated": conversation.updated,
        "turns": len(conversation.turns),
        "hidden": conversation.hidden,
    }


def whole_json(conversation: Conversation) -> Json:
    """A conversation with its turns, as `show --json` and `export --json` print it."""
    turns = [turn_json(turn) for turn in conversation.turns]
    return {"conversation": conversation_json(conversation), "turns": turns}


def turn_json(turn: Turn) -> Json:
    return {
        "turn": turn.number,
        "at": turn.at,
        "question": turn.question,
        "status": turn.status,
        "answer": turn.text,
        "sentences": [
            {"text": said.text.strip(), "sources": [asdict(source) for source in said.sources]}
            for said in turn.said
        ],
    }


def conversation_row(conversation: Conversation) -> str:
    """A conversation on one line."""
    seen = conversation.turns
    count = f"{len(seen)} turn{'s' * (len(seen) != 1)}"
    last = short(seen[-1].question, 60) if seen else ""
    day = conversation.updated[:10]
    return printable(f"{conversation.id}  {day}  {count:>9}  {conversation.name}  “{last}”")


def conversation_lines(conversation: Conversation) -> Iterator[str]:
    """A conversation for a terminal."""
    yield printable(f"{conversation.name}  ({conversation.id}, since {conversation.created[:10]})")
    for turn in conversation.turns:
        text, sources = _marked(turn)
        yield ""
        yield printable(f"{turn.number}. {turn.question}")
        yield printable(f"   {text}")
        yield from (printable(f"   [{n}] {_place(s)}") for n, s in enumerate(sources, 1))
    yield from _hidden(conversation)


def markdown(conversation: Conversation) -> str:
    """A conversation as a Markdown text, each sentence with the numbers of its sources."""
    lines = [f"# {_inert(conversation.name)}"]
    for turn in conversation.turns:
        text, sources = _marked(turn, _inert)
        lines += ["", f"## {turn.number}. {_inert(' '.join(turn.question.split()))}", "", text]
        lines += [""] if sources else []
        for number, item in enumerate(sources, 1):
            where = f"{_place(item)}: characters {item.start} to {item.end} of {item.path}"
            lines.append(f"{number}. {_inert(where)}")
    lines += _hidden(conversation)
    return printable("\n".join(lines) + "\n")


def answer_markdown(answer: Answer) -> str:
    """An answer as a Markdown text, each sentence with the numbers of its sources and their quotes.

    For whoever reads the answer: what was shown, and nothing else.
    """
    turn = turn_of(1, "", "", answer, frozenset())
    text, sources = _marked(turn, _inert)
    lines = [text, "", *(_reference(*item) for item in enumerate(sources, 1))]
    return printable("\n".join(lines).strip() + "\n")


def history_note(dropped: Iterable[Dropped]) -> str:
    """What became of earlier turns in a prompt, in one line; "" if all of them are in it."""
    turns = {row.turn: row.kept for row in dropped if row.turn is not None}
    parts = [
        f"{_turns([turn for turn, kept in turns.items() if bool(kept) == some])} {what}"
        for some, what in ((True, "shortened to the facts"), (False, "left out of the prompt"))
        if some in map(bool, turns.values())
    ]
    return ", ".join(parts)


def _turns(numbers: Sequence[int]) -> str:
    """Numbers as "turn 3" or "turns 1 to 4, 6"."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    words = [f"{run[0]} to {run[-1]}" if len(run) > 1 else str(run[0]) for run in runs]
    return f"turn{'s' * (len(numbers) > 1)} {', '.join(words)}"


def _marked(turn: Turn, escape: Callable[[str], str] = str) -> tuple[str, list[Source]]:
    """The answer with the number of a source after what cites it, and the sources in order."""
    numbers: dict[Source, int] = {}
    parts = []
    for said in turn.said:
        body = said.text.rstrip()
        marks = [f"[{numbers.setdefault(item, len(numbers) + 1)}]" for item in said.sources]
        parts.append(escape(body) + " " * bool(marks) + "".join(marks))
        parts.append(said.text[len(body) :] or " ")
    return "".join(parts).strip(), list(numbers)


def _reference(number: int, source: Source) -> str:
    quote = f": “{_inert(' '.join(source.quote.split()))}”" if source.quote else ""
    return f"{number}. {_inert(_place(source))}{quote}"


def _place(source: Source) -> str:
    return place(source.title, source.path, source.page)


def _inert(text: str) -> str:
    """Nothing in it is markup: what a document says makes no links and shows no pictures."""
    return _STEERS.sub(r"\\\1", text)


def _hidden(conversation: Conversation) -> list[str]:
    if not conversation.hidden:
        return []
    return ["", f"{conversation.hidden} more turn(s) rest on documents that you may not see."]
