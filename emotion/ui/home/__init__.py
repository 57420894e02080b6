"""The parts of the Home page: the demo clip, the cards of the other pages, and the status."""
