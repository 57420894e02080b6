"""The parts of the Model card page."""
