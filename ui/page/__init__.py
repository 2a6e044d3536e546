"""The parts of the chat page: pure HTML building, the run of one answer, what is kept a session."""
