"""What any room needs of a model: load and place it, its precision and heads, ranks, the engines that move weights."""
