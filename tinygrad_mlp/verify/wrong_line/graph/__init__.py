"""What a line can be: the quantities in the graph of the loss."""
