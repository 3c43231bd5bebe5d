"""The kernel's few numbers, natively: their values are in `constants.pxd`."""
