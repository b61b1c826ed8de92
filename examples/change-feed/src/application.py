"""Fill in what your application does with a change."""

from changes import Change


def apply(change: Change) -> None:
    """Called for each change, in the order of the changes of a record. Delivery is at least once.

    If this function raises, Lambda retries the change before later ones. README.md ("Twice, or late") says how to make
    repetitions harmless. Do not log `change.data` or `change.before`.
    """
