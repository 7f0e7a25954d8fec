"""Where this package's models are, and where a data set is that needs no files."""

from pathlib import Path

MODELS = Path(__file__).parent / "models"
#: The data sets are computed from the index: any directory serves.
NO_FILES = Path(__file__).parent
