"""Finished runs beside each other: which can be compared, and what is computed of them afterwards."""
