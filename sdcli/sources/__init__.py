"""Where settings come from: config, presets, batch files, sweeps, and pictures' own texts."""
