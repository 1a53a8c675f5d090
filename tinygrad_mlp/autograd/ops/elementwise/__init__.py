"""Operations on one element at a time: arithmetic, exponentials, trigonometry, rectifiers."""
