"""Results that lie somewhere: files and directories of past sessions, baselines, submissions; read and compared."""
