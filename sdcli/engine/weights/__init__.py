"""From weight files to networks on a device."""
