"""Images and videos: the only code that decodes and encodes them."""
