"""Yours to fill in: what your application does with a change."""

from changes import Change


def apply(change: Change) -> None:
    """Called for each change of a record, in the order in which they happened; now and then again for an applied one.

    Raise, and the change is given to you again, later ones after it. README.md says what to do so that "again" does no
    harm. Do not log `change.data` and `change.before`.
    """
