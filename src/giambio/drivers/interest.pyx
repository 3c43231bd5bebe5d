"""The two ends of a descriptor, natively: their values are in `interest.pxd`."""
