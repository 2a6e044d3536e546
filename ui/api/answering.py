"""One question of a caller: from the cache, or in its turn from the assistant. Synchronous.

The story of a request. It runs in a worker thread (`ui.api.run`); what is refused is raised before
the first event.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Event
from typing import Any

from evals.review.queue import Audit
from evals.review.types import Asked, ReviewError
from ingest.conditions import Where
from rag.answers import AnswerKey, answer_key, index_stamp
from rag.pipeline import Assistant
from rag.releases.router import Served
from rag.turns import ConversationError, plain
from rag.types import Answer, AnswerEvent, Decoding, Message, Shown
from ui.api.admission import ClientLeft
from ui.api.chat import trace_id
from ui.api.keys import Key
from ui.api.service import Service
from ui.held import Held
from ui.sessions import Veil

LOG = logging.getLogger("surefoot.serve")


@dataclass(frozen=True, slots=True)
class Ask:
    """A question, with all that its answer depends on.

    `sampling` are fields of Decoding that take the place of the config's. `conversation` is what a
    release is chosen by; `held` is the conversation on disk, if the answer is to be kept. `parent`
    is the caller's traceparent header (W3C).
    """

    question: str
    key: Key
    groups: frozenset[str]
    conversation: str
    history: tuple[Message, ...] = ()
    where: Where = ()
    sampling: Mapping[str, Any] = field(default_factory=dict)
    held: Held | None = None
    parent: str | None = None


def respond(service: Service, ask: Ask, cancel: Event) -> Generator[AnswerEvent, None, None]:
    """Stages, sentences and the answer. Raises Busy, ClientLeft, SurefootError."""
    with service.meter.parented(ask.parent):
        yield from _answered(service, ask, cancel)


def _answered(service: Service, ask: Ask, cancel: Event) -> Iterator[AnswerEvent]:
    served = service.router.pick(ask.conversation)
    how = decoding(served.assistant, ask)
    # Pseudonyms are those of one conversation: no other may have its answers.
    if served.fresh or served.assistant.guard.policy.uses("pseudonym"):
        yield from _made(service, served.assistant, ask, how, cancel)
        return
    with service.cache.flight(partial(_key, service, served, ask, how), cancel) as flight:
        service.meter.cached(flight.answer is not None)
        if flight.answer is not None:
            service.audit.note("cached", ask.key.id, trace=trace_id(flight.answer))
            yield from _again(flight.answer)
            _keep(ask, flight.answer)
            return
        for event in _made(service, served.assistant, ask, how, cancel):
            if isinstance(event, Answer):
                flight.land(event)
            yield event


def decoding(assistant: Assistant, ask: Ask) -> Decoding:
    """How the answer is decoded: what was asked for, on top of the config, within the window."""
    how = replace(assistant.decoding(), **ask.sampling)
    return replace(how, max_tokens=min(how.max_tokens, assistant.engine.window))


def _made(
    service: Service, assistant: Assistant, ask: Ask, how: Decoding, cancel: Event
) -> Iterator[AnswerEvent]:
    """The assistant's events, once it is this key's turn."""
    service.meter.queued(service.admission.depth)
    try:
        if cancel.is_set():
            raise ClientLeft
        with service.admission.enter(ask.key.id, cancel):
            service.meter.queued(service.admission.depth)
            yield from _spoken(service, assistant, ask, how, cancel)
    except ClientLeft:
        service.audit.note("left", ask.key.id)
        raise


def _spoken(
    service: Service, assistant: Assistant, ask: Ask, how: Decoding, cancel: Event
) -> Iterator[AnswerEvent]:
    """The assistant's events for the caller; what is counted and kept of its answer."""
    veil = Veil.of(assistant.guard.policy, service.sessions, ask.held, ask.groups)
    asked = (ask.question, ask.history, ask.groups, cancel, ask.where, how, ask.key.id)
    events = assistant.stream(*asked, veil.session)
    yield from veil.through(_counted(service, assistant, ask, events))


def _counted(
    service: Service, assistant: Assistant, ask: Ask, events: Iterator[AnswerEvent]
) -> Iterator[AnswerEvent]:
    """The events as they were made; with the answer, what is counted and kept of it."""
    for event in events:
        if isinstance(event, Answer):
            service.limits.spend(ask.key, event.tokens.prompt + event.tokens.completion)
            _keep(ask, event)
            _sample(service, assistant, ask, event)
        yield event


def _again(answer: Answer) -> Iterator[AnswerEvent]:
    """An answer as if it were made now."""
    yield from (Shown(sentence) for sentence in answer.sentences)
    yield answer


def _key(service: Service, served: Served, ask: Ask, how: Decoding) -> AnswerKey:
    """What the answer depends on, as the knowledge base is at this moment."""
    return answer_key(
        ask.question,
        index_stamp(service.kb),
        served.assistant.config,
        served.assistant.engine,
        how,
        ask.history,
        ask.groups,
        ask.where,
        served.name,
    )


def _keep(ask: Ask, answer: Answer) -> None:
    """A turn that can't be kept costs a line in the log, not the answer."""
    if ask.held is None:
        return
    try:
        ask.held.keep(ask.question, answer)
    except ConversationError as error:
        LOG.error("a turn was not kept: %s", error)


def _sample(service: Service, assistant: Assistant, ask: Ask, answer: Answer) -> None:
    """Offer an answer to sampled auditing; that it can't be sampled costs a line in the log."""
    if not (every := assistant.config.review.audit_every):
        return
    earlier = ask.held.rests_on() if ask.held is not None else ()
    try:
        asked = Asked(answer.asked or ask.question, answer, plain(ask.history), earlier)
        Audit(service.review, every).offer(asked)
    except ReviewError as error:
        LOG.error("an answer was not sampled: %s", error)
