"""The parts of the Photos page: upload, cache of analyzed photos, annotated photo and results."""
