"""Results as plain values, JSON, tables and files."""
