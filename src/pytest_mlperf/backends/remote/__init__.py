"""What the backends for endpoints share: addresses, the event loop, HTTP, and forms of messages."""
