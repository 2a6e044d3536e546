"""Trains the tagger of names: python -m evals.train.names DATA SPACY_FOLDER

Needs the extra `train`. DATA is the development data; SPACY_FOLDER holds en_core_web_sm,
which the tagger starts from and which marks the plain prose. None of the sets that names are
measured on is trained on. Writes rag/safety/weights/names.safetensors, and prints its figures on
those sets and on prose that was held back: they go to names.figures.md.
"""

from __future__ import annotations

import datetime
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from evals.train.fit import read_cases
from evals.train.name_net import IGNORE, Sample, fit, from_spacy, tensors
from evals.train.name_texts import Marked, Writer, paragraphs, prose
from rag.safety.names.kinds import plausible
from rag.safety.names.opening import WEIGHTS, open_names
from rag.safety.names.pieces import near, pieces
from rag.safety.names.tagger import BEHIND
from rag.safety.names.types import ADDRESS, AGE, DATE, LOCATION, NRP, ORGANIZATION, PERSON, TITLE
from rag.safety.names.words import Splitter, rows
from rag.safety.pii import PiiFilter

LABELS = (PERSON, LOCATION, ORGANIZATION, NRP, DATE, ADDRESS, AGE, TITLE)
TAGS = ("O", *(f"{place}-{label}" for label in LABELS for place in "BI"))
WRITTEN = 16_000
# A little more than the tagger is shown later: what lies beyond its reach does no harm.
REACH = 2 * BEHIND
EPOCHS, RATE, DROPOUT = 3, 1e-3, 0.15
MEASURED = ("pii-synth-v2", "pii-generated-large", "pii-wnut17-names")
PLAIN = ("squad", "python-devguide", "owasp-cheatsheets")


def samples(marked: Marked, splitter: Splitter) -> Iterator[Sample]:
    """The text's pieces as the tagger sees them; what stands before a segment is not learned."""
    for piece in pieces(marked.text):
        start = len(piece.context)
        first = near(piece.text, start, REACH)
        words = splitter.split(piece.text[first:])
        # Places in the marked text, whose characters before the segment the context ends with.
        starts, ends = words.starts + first, words.ends + first
        by = piece.start - start
        tags = np.zeros(len(words), np.int64)
        for left, right, label in marked.spans:
            inside = (starts + by < right) & (ends + by > left)
            if inside.any() and plausible(marked.text[left:right], label):
                tags[inside] = TAGS.index(f"I-{label}")
                tags[int(inside.argmax())] = TAGS.index(f"B-{label}")
        tags[starts < start] = IGNORE
        if (tags != IGNORE).any():
            yield Sample(rows(words.keys), tags)


def figures(data: Path) -> Iterator[str]:
    """Any-label overlap on each set, and findings per 10,000 characters of prose kept back."""
    pii = PiiFilter(open_names())
    for name in MEASURED:
        counts: Counter[str] = Counter()
        for row in read_cases(data / "cases" / f"{name}.jsonl.gz"):
            found = [(f.start, f.end) for f in pii.find(row["text"], "answer")]
            gold = [(start, end) for start, end, _ in row["spans"]]
            counts["found"] += len(found)
            counts["gold"] += len(gold)
            counts["right"] += sum(any(_meet(f, g) for g in gold) for f in found)
            counts["hit"] += sum(any(_meet(f, g) for f in found) for g in gold)
        yield f"{name}: {_scores(counts)} ({counts['gold']} spans)"
    for name in PLAIN:
        texts = paragraphs(data, name, 300, rest=1)
        labels = Counter(f.label for text in texts for f in pii.find(text, "answer"))
        size = sum(map(len, texts))
        rates = ", ".join(f"{k} {v / size * 1e4:.1f}" for k, v in labels.most_common(6))
        yield f"findings per 10,000 of {size} characters of {name}: {rates}"


def _meet(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _scores(counts: Mapping[str, int]) -> str:
    precision = counts["right"] / max(1, counts["found"])
    recall = counts["hit"] / max(1, counts["gold"])
    f2 = 5 * precision * recall / max(1e-9, 4 * precision + recall)
    return f"F2 {f2:.3f}, precision {precision:.3f}, recall {recall:.3f}"


def main(data: Path, folder: Path) -> None:
    if not (data / "cases").is_dir():
        sys.exit(f"the development data is not at {data}: nothing was trained")
    splitter = Splitter()
    texts = (*prose(data, folder), *Writer(1).write(WRITTEN))
    learned = [sample for text in texts for sample in samples(text, splitter)]
    net = from_spacy(folder, len(TAGS), DROPOUT)
    fit(net, learned, EPOCHS, RATE)
    half = {name: values.astype(np.float16) for name, values in tensors(net).items()}
    save_file(half, WEIGHTS, metadata={"tags": " ".join(TAGS)})
    WEIGHTS.chmod(0o644)
    words = sum(len(sample.tags) for sample in learned)
    head = f"Fitted {datetime.date.today().isoformat()} on {len(learned)} pieces, {words} words."
    lines = [head, "", *(f"- {line}" for line in figures(data))]
    text = "\n".join(lines) + "\n"
    WEIGHTS.with_suffix(".figures.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
