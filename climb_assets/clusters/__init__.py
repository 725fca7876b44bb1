"""From vectors to domains: quality scores, k-means, statistics, pruning and merging, names."""
