"""Every front door: the command line, the chat. Draws what `rag` returns, decides nothing."""
