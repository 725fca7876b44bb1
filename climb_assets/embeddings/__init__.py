"""From texts to vectors: the encoder and the resumable loop over a shard."""
