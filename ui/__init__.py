"""Every front door: the command line, the Streamlit chat. Draws what `rag` returns, decides nothing."""
