"""`lictor run`: one project from its constitution to a guard, each stage keyed by what it depends on."""
