"""One case: what is asked of the child process, the child, and what becomes of what it leaves."""
