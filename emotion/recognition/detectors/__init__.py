"""Find the faces of an image: the detectors behind one protocol, and the choice among them."""
