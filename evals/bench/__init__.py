"""Speed beside a peer: one file a bench, each a `plan` that `surefoot bench NAME` runs."""
