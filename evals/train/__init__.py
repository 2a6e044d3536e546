"""Training of the small heads that ship in rag/safety/weights. Nothing at run time needs it."""
