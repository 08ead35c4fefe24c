"""What wraps a backbone's prediction into the denoiser that a solver asks."""
