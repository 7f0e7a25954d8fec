"""pytest's side: hooks, options, fixtures, and what a session needs from the cache and the machine."""
