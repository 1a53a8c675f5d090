"""Operations along axes: sums, extremes, statistics, scans, sorting, softmax."""
