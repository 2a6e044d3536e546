"""One file a claim: `python -m evals.bench.NAME` prints the figures that the README quotes."""
