"""Lictor: a written constitution in, a working guard for a language model out."""
