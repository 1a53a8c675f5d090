"""Changes of lines and of statements, and trying one."""
