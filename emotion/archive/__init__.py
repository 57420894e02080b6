"""Analyze archives of many photos and videos into Parquet files, on the cores of one machine or on a cluster."""
