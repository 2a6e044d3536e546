"""The peers of the benches: one file a peer, each the room of the library it drives."""
