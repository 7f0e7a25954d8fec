"""From a submission's files to what the checks look at."""
