"""What a guard is worth: questions, targets, suites of attacks, and measures with intervals."""
