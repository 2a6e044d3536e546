"""One file a command or family. Each imports what it needs when it runs: `--help` stays quick."""
