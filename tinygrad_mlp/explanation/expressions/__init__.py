"""What is printed and evaluated, made from polynomials."""
