"""From rules to labelled conversations: queries, answers, filters, near-duplicates. Prompts are in prompts/*.md."""
