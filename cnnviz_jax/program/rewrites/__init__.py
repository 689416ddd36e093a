"""The program computed another way: backward rules, pools, precision, another input size."""
