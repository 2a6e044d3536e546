import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def ner_path() -> Path:
    return Path(os.environ["SUREFOOT_TEST_NER"])


@pytest.fixture(scope="session")
def embedder_path() -> Path:
    return Path(os.environ["SUREFOOT_TEST_EMBEDDER"])
