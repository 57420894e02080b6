"""The parts of the Runs page: the table of all runs, one run in detail, comparisons."""
