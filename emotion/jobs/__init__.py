"""Run long tasks as separate processes, each of which writes its progress and results into a folder."""
