"""What comes before a run: looking at raw files, writing a project's files, what is missing, and what it will cost."""
