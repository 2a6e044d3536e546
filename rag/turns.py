"""What a conversation keeps of each turn, who may see it, and the history that turns make. Pure.

A turn rests on the documents that its sentences cite. Where something was shown that no citation
supports (an "I don't know" with the nearest titles, a claim shown as weak), it rests on all that
was found for it; a weak claim may come from the turns before it too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from ingest.errors import SurefootError
from rag.config import GroundingConfig
from rag.safety.redact import masks, redact
from rag.safety.rules import MASKED
from rag.types import Answer, AnswerStatus, Citation, Fact, Message, Recalled, Sentence

WITHHELD = "(a question that the guard did not pass)"

Groups = frozenset[str]
Audience = Mapping[str, Groups]


class ConversationError(SurefootError):
    """Conversations that can't be read, written or named so. `problem` is one line."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"conversations: {problem}")


class UnknownConversation(ConversationError):
    """There is none of this name or id that the asker may see."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"there is no {key!r}; surefoot conversations list shows them")


@dataclass(frozen=True, slots=True)
class Source:
    """A place that a sentence cites: the document's characters `start:end`, which are `quote`."""

    document: str
    path: str
    title: str
    page: int | None
    start: int
    end: int
    quote: str = ""

    @property
    def name(self) -> str:
        return self.title or PurePath(self.path).name


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence as it was shown, with its sources; `support` is None where it claims nothing."""

    text: str
    sources: tuple[Source, ...]
    support: float | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and what was shown to it. `number` counts from 1 and is never given twice.

    `needs` are the documents that it rests on, with the groups that they then had, empty for
    everyone; `groups` are those of the asker. `at` is ISO 8601, UTC.
    """

    number: int
    at: str
    question: str
    status: AnswerStatus
    said: tuple[Said, ...]
    needs: tuple[tuple[str, Groups], ...]
    groups: Groups

    @property
    def text(self) -> str:
        """The answer, exactly as it was shown."""
        return "".join(said.text for said in self.said).strip()

    @property
    def documents(self) -> frozenset[str]:
        return frozenset(document for document, _ in self.needs)

    def visible_to(self, groups: Groups, now: Audience) -> bool:
        """Whether someone of `groups` may see it: by its documents' groups then, and `now`.

        What rests on no document is for those who have all groups of its asker.
        """
        if not self.needs:
            return self.groups <= groups
        return all(
            _open(then, groups) and _open(now.get(document, then), groups)
            for document, then in self.needs
        )


def turn_of(
    number: int,
    at: str,
    question: str,
    answer: Answer,
    groups: Groups,
    earlier: Sequence[Turn] = (),
) -> Turn:
    """What is kept of an answer. `earlier` are the turns that it had as its history."""
    titles = {passage.document: passage.title for passage in answer.passages}
    found = {passage.document: passage.groups for passage in answer.passages}
    said = tuple(_said(sentence, titles) for sentence in answer.sentences)
    cited = dict.fromkeys(source.document for item in said for source in item.sources)
    needs = {document: found.get(document, frozenset()) for document in cited}
    if answer.status != "answered" or _weak(answer):
        needs.update(found)
    if _weak(answer):
        needs = {**{name: wanted for turn in earlier for name, wanted in turn.needs}, **needs}
    asked = _asked(question, answer)
    return Turn(number, at, asked, answer.status, said, tuple(needs.items()), groups)


def history_of(turns: Iterable[Turn]) -> tuple[Message, ...]:
    """The messages of these turns, for `Assistant.answer`.

    Blocked turns are left out: the guard kept their words from the model, and so does this.
    """
    messages: list[Message] = []
    for turn in turns:
        if turn.text and turn.status != "blocked":
            facts = tuple(Fact(said.text.strip(), _first(said)) for said in turn.said)
            messages.append(Recalled("user", turn.question, turn.number))
            messages.append(Recalled("assistant", turn.text, turn.number, facts))
    return tuple(messages)


def plain(messages: Iterable[Message]) -> tuple[Message, ...]:
    """The messages without what is known of their turns."""
    return tuple(Message(message.role, message.content) for message in messages)


def _open(wanted: Groups, groups: Groups) -> bool:
    return not wanted or bool(wanted & groups)


def _said(sentence: Sentence, titles: Mapping[str, str]) -> Said:
    sources = (_source(citation, titles) for citation in sentence.citations)
    return Said(_clean(sentence.text), tuple(sources), sentence.support)


def _source(citation: Citation, titles: Mapping[str, str]) -> Source:
    return Source(
        document=citation.document,
        path=citation.path,
        title=titles.get(citation.document, ""),
        page=citation.page,
        start=citation.start,
        end=citation.end,
        quote=_clean(citation.quote),
    )


def _first(said: Said) -> str:
    return said.sources[0].name if said.sources else ""


def _weak(answer: Answer) -> bool:
    """Whether a claim was shown that its citations do not carry."""
    least = GroundingConfig().threshold
    claims = [sentence for sentence in answer.sentences if sentence.support is not None]
    return any(not claim.citations or (claim.support or 0.0) < least for claim in claims)


def _asked(question: str, answer: Answer) -> str:
    """The question as the guard let it pass."""
    acted = [finding for finding in answer.findings if finding.stage == "question"]
    blocked = any(finding.action == "block" for finding in acted)
    # A filter that did not run leaves no finding; then nothing was searched for either.
    if blocked or (answer.status == "blocked" and not answer.passages):
        return WITHHELD
    spans = masks(question, (finding for finding in acted if finding.action in MASKED))
    return _clean(answer.asked or redact(question, spans))


def _clean(text: str) -> str:
    """No half characters: they have no place in a file."""
    return text.encode("utf-8", "replace").decode()
