"""From results to what MLCommons takes: description, tree, truncation, summary, tarball. No pytest in here."""
