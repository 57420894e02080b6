"""The results of an archive analysis as a collection of faces: search it with DuckDB, open where a face is from."""
