"""The mixture that was chosen, and the data set that it makes."""
