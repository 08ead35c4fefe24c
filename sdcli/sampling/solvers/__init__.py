"""The solvers: generators over x, which is a float in a test and a tensor in a picture."""
