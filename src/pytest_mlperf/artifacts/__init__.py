"""The cache: things fetched or built once per machine, and shared by every process and user of it."""
