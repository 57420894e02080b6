"""The visitors of a public server: who is asking, and what belongs to whom."""
