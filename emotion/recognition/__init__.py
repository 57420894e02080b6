"""Look: image -> detect -> crop -> classify -> track -> annotate."""
