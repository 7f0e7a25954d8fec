"""The exit codes of the command; check and diff have their own meanings of 1, which they state."""

#: Done; not done, not found, or not whole; wrong arguments, which is also argparse's; Ctrl-C.
DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
