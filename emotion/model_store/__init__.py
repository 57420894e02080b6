"""Models on disk: their cards, and how they are found and opened."""
