"""Every run's result on this machine, kept in one file, and what a row of them says."""
