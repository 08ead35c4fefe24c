"""Tokenizers, without torch."""
