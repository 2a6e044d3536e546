"""Builds the guard with all its filters. A filter that cannot load is an error, never left out."""

from __future__ import annotations

from ingest.types import Embedder
from rag.errors import FilterError
from rag.safety.classifiers.opening import Named
from rag.safety.features import CachedVectors
from rag.safety.floors import floors_of
from rag.safety.guard import Forgets, Guard
from rag.safety.lists import DenyFilter, Lists
from rag.safety.markup import MarkupFilter
from rag.safety.names.opening import open_names
from rag.safety.pii import PiiFilter
from rag.safety.policy import DEFAULT, NER_LABELS, STAGES, Denied, Policy
from rag.safety.public import Base, PublicData
from rag.safety.scans import Scans
from rag.safety.shipped import WEIGHTS as WEIGHTS
from rag.safety.shipped import build_injection, build_moderation, kept_in
from rag.safety.vault_key import open_hasher


def build_guard(
    ner: str | None,
    embedder: Embedder,
    policy: Policy = DEFAULT,
    report_names: bool = False,
    timeout_s: float = 10.0,
    base: Base | None = None,
    scans: Scans | None = None,
    named: Named | None = None,
) -> Guard:
    """A guard with filters of data, markup, harm and injections, and the policy's lists.

    The documents that the policy calls public are those of `base`; without it there are none. What
    the learned filters find in passages is kept in `scans`; personal data is found in no time.
    Classifiers that are `named` take the place of the shipped ones.

    What `ner` names (see `rag.safety.names.opening`; "" is the shipped tagger) finds names in the
    stages where the policy acts on them, or in all with `report_names`. Raises FilterError naming
    the filter if one cannot load, or if names are wanted and `ner` is None.
    """
    vectors, floors = CachedVectors(embedder), floors_of(policy)
    moderation = build_moderation(embedder, vectors, named, floors)
    injection = build_injection(embedder, vectors, named, floors)
    pii = build_pii(ner, policy, report_names)
    lists = build_lists(policy, pii, base)
    denied = () if policy.denied == Denied() else (DenyFilter(policy.denied),)
    return Guard(
        (
            pii,
            MarkupFilter(policy.hosts),
            *denied,
            *(kept_in(scans, found, embedder, named, floors) for found in (injection, moderation)),
        ),
        policy,
        timeout_s,
        caches=(vectors, pii, *(f for f in (injection, moderation) if isinstance(f, Forgets))),
        allows=lists.allows,
        epoch=lists.epoch,
        hashed=open_hasher() if policy.uses("hash") else None,
    )


def build_lists(policy: Policy, pii: PiiFilter, base: Base | None) -> Lists:
    """What is public. Raises ConfigError where the documents that are hold too much to read."""
    documents = policy.allowed.documents
    public = PublicData(base, documents, pii.find) if base and documents else None
    return Lists(policy.allowed, public)


def build_pii(ner: str | None, policy: Policy, report_names: bool = False) -> PiiFilter:
    """The personal data filter alone, with names where they are wanted."""
    stages = [s for s in STAGES if report_names or policy.acts_on(s, NER_LABELS)]
    if not stages:
        return PiiFilter(None)
    if ner is None:
        raise FilterError("pii", "names are to be found, but nothing to find them with is named")
    return PiiFilter(open_names(ner), stages)
