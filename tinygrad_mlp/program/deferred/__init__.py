"""Deferred updates: blocks of steps in which a large weight is updated once, at the end."""
