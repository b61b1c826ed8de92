"""The deployed stack on one's own machine: the real template on a local AWS, beside a Belvo of our own."""
