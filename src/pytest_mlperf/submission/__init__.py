"""A submission: the tree of files that MLCommons takes, its summary and its tarball."""
