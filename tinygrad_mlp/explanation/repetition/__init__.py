"""What a graph computes again and again, written once."""
