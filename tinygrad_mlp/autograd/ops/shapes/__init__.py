"""Operations that move elements: shapes, indices, joins, diagonals."""
