"""Runs the stack on this machine: the real template on a local AWS, beside a fake Belvo server."""
