"""Presidio's AnalyzerEngine as it installs, over a spaCy model at hand, kept off the network."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tldextract
from presidio_analyzer import AnalyzerEngine
from presidio_analyzer.nlp_engine import NlpEngineProvider
from presidio_analyzer.predefined_recognizers import EmailRecognizer


class OfflineEmail(EmailRecognizer):
    """Presidio's own, with the list of domains that ships instead of one fetched at first use."""

    _extract = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=())

    def validate_result(self, pattern_text: str) -> bool:
        return bool(self._extract(pattern_text).fqdn)


def open_analyzer(ner: Path) -> Callable[[str], list[tuple[int, int]]]:
    """A function from a text to the spans of all that Presidio finds in it."""
    logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
    models = [{"lang_code": "en", "model_name": str(ner)}]
    provider = NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": models})
    engine: Any = AnalyzerEngine(nlp_engine=provider.create_engine())
    engine.registry.remove_recognizer("EmailRecognizer")
    engine.registry.add_recognizer(OfflineEmail())
    return lambda text: [(r.start, r.end) for r in engine.analyze(text, language="en")]
