"""Read data sets and photo collections: FER-2013 files, folders, ZIP files, annotated photos."""
