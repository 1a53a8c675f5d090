"""The person's code, run so that its values are kept and can be overridden."""
