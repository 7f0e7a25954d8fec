"""How results are shown and written: terminal, JUnit, JSON."""
