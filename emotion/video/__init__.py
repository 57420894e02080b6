"""A film: read, followed, drawn, written, and what people take away of it."""
