"""Whether synthetic faces help a classifier: its trainings, their summary and what it means in words."""
