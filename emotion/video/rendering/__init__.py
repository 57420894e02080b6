"""What a video is shown by: drawn frames, thumbnails, highlights."""
