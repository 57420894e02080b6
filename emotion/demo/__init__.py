"""Demo material: a sample photo, a sample video and simulated cameras."""
