"""The languages of the pages, and the translation of their text."""
