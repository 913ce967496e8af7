"""Examples on disk and their splits, multi-turn mixing, audits, and imports of users' own conversations."""
