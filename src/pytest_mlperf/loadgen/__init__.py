"""LoadGen's settings, and user.conf; nothing of its binding."""
