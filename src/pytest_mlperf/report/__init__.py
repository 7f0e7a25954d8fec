"""What a user sees of the results: the terminal, JUnit, JSON."""
