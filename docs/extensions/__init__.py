"""What the site needs beyond Sphinx and MyST. The pages themselves are plain Markdown."""
