"""Deferred updates: a block of steps whose large products are formed at once."""
