"""Data sets of faces and photos: read, check, split, augment and build them."""
