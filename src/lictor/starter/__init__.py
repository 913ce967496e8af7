"""What a project can start from: templates of constitutions, and the worked emberglass domain."""
