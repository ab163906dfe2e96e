"""Sentences in the languages that people read: rendered from facts, never from sentences of another language."""
