"""Follow-up questions: what an earlier question was about goes into the search for the next. Pure.

Whether a question needs its conversation can't be told well from the question alone ("Who were the
Sea Peoples?" does, after "Tell me about the Bronze Age collapse"), so the topic is always searched
for too, with less weight than the question; that also costs little where the topic has changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from rag.claims import content_words
from rag.safety.redact import MARK
from rag.types import Message
from rag.words import STOP_WORDS, WORD

TOPIC_WORDS = 6
"""At most so many words are taken from each of the first and the last question."""
FEW_WORDS = 3
LONGEST_WORD = 64

_POINTS_BACK = re.compile(
    r"\b(?:it|its|they|them|their|theirs|he|him|his|she|her|hers|this|these|those|ones?|same|"
    r"former|latter|both|others?|another|such|else)\b"
    r"|\bthat\b(?!\s+(?:is|are|was|were|can|have|has|be|i|you|we|the|an?|it|they)\b)"
    r"|^\W*(?:and|but|so|or|what about|how about|why|why not)\b",
    re.IGNORECASE,
)
_POINTS_NOWHERE = re.compile(
    r"\bother than\b|\bone of\b|\bsame time\b|\bthis (?:year|month|week)\b", re.IGNORECASE
)
_ENDING = re.compile(r"(?:n?['’](?:s|m|d|re|ve|ll|t))$", re.IGNORECASE)

# Words that a conversation is full of whatever it is about,
_TALK = (
    "able about above actually after again against all also although am among another any anyone "
    "anything bad became because become before begin being below besides best better between big "
    "btw came certain come comes common compare compared currently describe different doing done "
    "down during each either else etc even ever every everything exactly explain famous few find "
    "fine first further get gets getting give go goes going good got great happen happened "
    "happens he hello help helped helps her here hers hi high him himself his important "
    "interesting into itself just know last least less let like likely long look lot lots low "
    "made main make makes making many maybe mean means meant mine more most much must myself need "
    "needed needs neither never new next none nor nothing now off often oh ok okay old once one "
    "ones only onto other others out over own per please popular possible quite rather really "
    "recently right said same say says second see several she short show similar since small some "
    "somebody someone something start started still such sure take takes tell thank thanks theirs "
    "themselves think those though through thus today too try typical under understand until up "
    "upon us use used uses using usually various versus very via vs want wanted well whether "
    "while whole within without work worked works worse worst yes yet yours"
)
# and words for a side of something: they need an owner, which is the topic.
_SIDES = (
    "advantage advantages age alternative alternatives amount answer benefit benefits cause "
    "caused causes characteristics cheap comparison concern concerns cons consequences cost costs "
    "definition detail details differ difference differences disadvantage disadvantages effect "
    "effects evidence example examples expensive factor factors feature features function "
    "functions history impact impacts importance influence influences info information issue "
    "issues kind kinds meaning member members method methods name named names number option "
    "options origin origins part parts people place places plot price prices problem problems "
    "process pros purpose question questions reason reasons related relation relationship "
    "requirement requirements result results risk risks role roles side sides sign significance "
    "signs size sort source sources step steps story symptom symptoms thing things time times "
    "treat treatable treated treatment treatments type types variation variations version "
    "versions way ways year years"
)
_NO_TOPIC = frozenset((*_TALK.split(), *_SIDES.split(), *STOP_WORDS))


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A question, and the words of the conversation's topic that it does not say itself.

    `leans` is true where it looks as if it can't be understood without them.
    """

    question: str
    topic: str = ""
    leans: bool = False

    @property
    def searched(self) -> str:
        """The question and the topic: everything that was searched for."""
        return f"{self.question} {self.topic}" if self.topic else self.question

    @property
    def text(self) -> str:
        """What passages are judged by: with the topic only where the question leans on it."""
        return self.searched if self.leans else self.question


def follow_up(question: str, history: Sequence[Message]) -> FollowUp:
    """The question with the topic words of the user's last and first questions, at most 12."""
    asked = [turn.content for turn in history if turn.role == "user"]
    if not asked:
        return FollowUp(question)
    said = content_words(question)
    topic: list[str] = []
    for turn in dict.fromkeys((asked[-1], asked[0])):
        topic += islice(_fresh(turn, said.union(*map(content_words, topic))), TOPIC_WORDS)
    return FollowUp(question, " ".join(topic), leans(question))


def leans(question: str) -> bool:
    """Does it point back ("what are its symptoms?"), or name little ("and for contractors?")?"""
    if _POINTS_BACK.search(_POINTS_NOWHERE.sub(" ", question)):
        return True
    return sum(1 for _ in islice(_fresh(question, frozenset()), FEW_WORDS)) < FEW_WORDS


def _fresh(text: str, said: frozenset[str]) -> Iterator[str]:
    """The words of a text that can be a topic, each once, without those that were said."""
    for match in WORD.finditer(MARK.sub(" ", text)):
        word = _ENDING.sub("", match.group())
        stems = content_words(word)
        if word.lower() in _NO_TOPIC or len(word) > LONGEST_WORD or stems <= said:
            continue
        said |= stems
        yield word
