"""Files in, a knowledge base on disk out. Knows nothing of models that answer, or of who asks."""
