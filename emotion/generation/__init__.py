"""The flow Imagine: seed and expression -> latent -> generator -> picture, judged by a classifier."""
