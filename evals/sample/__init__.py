"""The sample that ships with Surefoot: the papers of a small, made-up ferry company.

`documents/` is a knowledge base of 35 files about Merrow Sound Ferries, which does not exist;
neither do its people, places, telephone numbers or accounts. `cases/` holds questions about
them with their answers, and `demo.json` the three that `surefoot demo` asks.
"""

from pathlib import Path

DOCUMENTS: Path = Path(__file__).parent / "documents"
CASES: Path = Path(__file__).parent / "cases"
DEMO: Path = Path(__file__).parent / "demo.json"
