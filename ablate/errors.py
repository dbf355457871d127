"""What can go wrong, and the exit status each kind ends the command line with.

    AblateError                 3   shown as one message, never as a traceback
    |-- StudyError              2   the study file is invalid
    |-- UsageError              2   the command line asks for something that does not exist
    |-- StoreError              3   the store cannot be read or written
    |-- InfrastructureError     3   Ray, MLflow, the disk or the network failed
    `-- LockedError             4   another driver works on the same study or cells

Callers of library code get ``ValueError``; ``assert`` guards invariants of our own only.
"""

from typing import ClassVar


class AblateError(Exception):
    """Anything a person can act on; ``str(error)`` is the whole message."""

    exit_code: ClassVar[int] = 3


class StudyError(AblateError):
    """The study file is invalid; the message lists every problem with its line."""

    exit_code = 2


class UsageError(AblateError):
    """The command line asks for something that does not exist or does not fit together."""

    exit_code = 2


class StoreError(AblateError):
    """The store cannot be read or written."""

    exit_code = 3


class InfrastructureError(AblateError):
    """A service the run stands on failed: Ray, MLflow, the disk, the network."""

    exit_code = 3


class LockedError(AblateError):
    """Another driver holds the lock of this study or of one of its cells."""

    exit_code = 4
