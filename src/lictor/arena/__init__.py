"""Attack a guard with people: rounds, grading, pages and statistics over one append-only log."""
