"""The stages of a video analysis: workers and the channels between them."""
