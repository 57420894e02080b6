"""Analyze a camera stream without a user interface: sessions, metrics, recordings and diagnostics."""
