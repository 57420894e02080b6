"""What lies over the live image: score bars, the last half minute, curves of movements."""
