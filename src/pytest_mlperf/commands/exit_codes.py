"""The exit codes of the command; check and diff document their own meaning of 1."""

#: Success; failed, not found, or damaged; wrong arguments, as in argparse; Ctrl-C.
DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
