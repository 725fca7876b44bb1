"""The data set in the forms that training frameworks read."""
