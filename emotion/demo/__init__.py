"""Material to try the program with: a synthetic scene, a camera and a sample video."""
