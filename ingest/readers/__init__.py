"""Readers: bytes of one kind to a ParsedDocument. `registry` knows which reads what."""
