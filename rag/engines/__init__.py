"""Causal LMs behind one Protocol (`rag.types.Engine`). Each file loads its library when built."""
