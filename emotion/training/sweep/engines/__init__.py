"""Engines that train the trials of a sweep: jobs of this machine, or actors of a Ray cluster."""
