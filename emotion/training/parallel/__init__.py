"""Training on several processes or machines at once, which act as one with the whole batch."""
