"""An expression changed by a little."""
