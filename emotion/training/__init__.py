"""Learn: load -> split check -> augment -> fit -> evaluate -> run folder."""
