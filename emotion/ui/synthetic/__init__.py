"""The parts of the Synthetic faces page."""
