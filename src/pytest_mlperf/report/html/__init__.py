"""The results of a session as one HTML file that needs nothing else."""
