"""Images of a video: annotated frames, cover, thumbnails, highlights."""
