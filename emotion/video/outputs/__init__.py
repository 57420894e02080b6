"""Files made of an analysis: tables, JSON, subtitles, GIF, ZIP and the HTML report."""
