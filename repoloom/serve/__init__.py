"""A model at work: an OpenAI-compatible server, filling in at a place of a file, a conversation."""
