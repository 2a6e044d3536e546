"""Which words have a capital only at a sentence's beginning: `rag/facts/common.txt` anew.

    python -m evals.train.common_words squad.jsonl.gz squad-distractors.jsonl.gz

Reads corpora (JSON lines with `text`) and writes each word that stands in lower case at least
`LEAST` times, and inside sentences nine times as often as with a capital.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

LEAST, TIMES = 12, 9
TARGET = Path(__file__).parents[2] / "rag" / "facts" / "common.txt"
_INSIDE = re.compile(r"(?<=[a-z,] )[A-Za-z]{2,18}\b")


def common_words(texts: Iterable[str]) -> list[str]:
    """The words in their order."""
    lower: Counter[str] = Counter()
    upper: Counter[str] = Counter()
    for text in texts:
        for match in _INSIDE.finditer(text):
            word = match.group()
            (lower if word.islower() else upper)[word.lower()] += 1
    return sorted(w for w, n in lower.items() if n >= LEAST and n >= TIMES * upper[w])


def texts_of(paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            yield from (str(json.loads(line)["text"]) for line in lines)


if __name__ == "__main__":
    words = common_words(texts_of(map(Path, sys.argv[1:])))
    TARGET.write_text("\n".join(words) + "\n", encoding="utf-8")
    sys.stdout.write(f"{len(words)} words\n")
