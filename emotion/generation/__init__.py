"""Conditional generation of faces: train a GAN, sample faces from a seed and an expression, evaluate them."""
