"""The networks of the classifiers, their properties, and the weights that they begin with."""
