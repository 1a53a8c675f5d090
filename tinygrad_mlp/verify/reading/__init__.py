"""How functions, arrays and gradients in people's code are read."""
