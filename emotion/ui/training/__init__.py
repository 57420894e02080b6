"""The parts of the Training, Runs and model card pages."""
