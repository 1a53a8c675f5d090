"""The equations of the three levels, and their names."""
