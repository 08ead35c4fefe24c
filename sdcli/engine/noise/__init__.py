"""The noise: a stream for each image, or a Brownian path."""
