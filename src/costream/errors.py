"""The exceptions of CoStream.

::

    CoStreamError
    ├── SourceError               a source can't be opened or read any further
    │   ├── SourceRefusedError    asking for it again would not help
    │   └── SourceLostError       a live source stayed away for longer than its patience
    ├── ModelError                a model is unknown, unsupported or its checkpoint is broken
    ├── SettingsError             an option's value is out of range, or two of them contradict
    │   ├── ConfigError           a configuration file can't be used
    │   └── TakenError            it names or changes what somebody else did first
    ├── PoolExhaustedError        the KV pool has no room left for a window
    ├── ForgottenError            what is asked for of the past is not kept any more
    ├── NoWindowError             a stream has no window that could be asked about
    ├── IntegrityError            an invariant of the KV pool is broken: always a bug of ours
    ├── MediaError                a still or a clip can't be written
    ├── UnknownError              there is no camera, question or event of that name
    ├── StoreError                events can't be read or written at the moment
    ├── DeliveryError             a sink did not take a message: it is tried again
    │   └── RejectedError         it never will take it
    │       └── SupersededError   somebody else sends in our place by now
    ├── ClusterError              a cluster can't be reached, or a node of it is gone
    └── ChildError                something unforeseen ended a process of ours

Every message is one sentence that says what is wrong and, where it helps, what to do next.
"""


class CoStreamError(Exception):
    """Base of every error that CoStream raises on purpose."""


class SourceError(CoStreamError):
    """The source can't be opened, holds no video, or stopped answering."""


class SourceRefusedError(SourceError):
    """The source turned us away, or is of no kind that can be read: no use in trying again."""


class SourceLostError(SourceError):
    """A live source is absent, and was for as long as it was to be waited for."""


class ModelError(CoStreamError):
    """The model is unknown, of an unsupported family, or its checkpoint can't be loaded."""


class SettingsError(CoStreamError):
    """A setting is out of range or contradicts another one."""


class ConfigError(SettingsError):
    """A configuration file can't be used.

    Args:
        problems: everything that is wrong with it, each a line that names the file and the place.

    Attributes:
        problems: the same, at least one.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__(*problems)
        self.problems = problems

    def __str__(self) -> str:
        more = len(self.problems) - 1
        return self.problems[0] + (f" (and {more} more: see costream check)" if more else "")


class TakenError(SettingsError):
    """What was to be new is there already, or what was to be changed was changed meanwhile."""


class IntegrityError(CoStreamError):
    """An invariant of ours does not hold, such as one of the KV pool."""


class PoolExhaustedError(CoStreamError):
    """The KV pool has no room for what a window takes, and may not grow."""


class ForgottenError(CoStreamError):
    """Pictures or packets of the past are not kept, or not any more."""


class MediaError(CoStreamError):
    """A still or a clip can't be written: its disk is full, or out of order."""


class NoWindowError(CoStreamError):
    """A stream has no window yet, or none any more, that could be asked about."""


class UnknownError(CoStreamError):
    """What is asked for by a name is not there."""


class StoreError(CoStreamError):
    """The database of events is away or can't be written: what is asked of it may work later."""


class DeliveryError(CoStreamError):
    """A sink did not take a message, and may take it later."""


class RejectedError(DeliveryError):
    """A sink will never take a message: it said so."""


class SupersededError(RejectedError):
    """Somebody newer sends in our place, and is the one who is heard."""


class ClusterError(CoStreamError):
    """A cluster can't be reached, or a node of it is gone: what is asked of it may work later."""


class ChildError(CoStreamError):
    """Something unforeseen ended a process of ours: a bug, or a failing machine."""

    @classmethod
    def of(cls, error: Exception) -> Exception:
        """Returns an error as one that a process can tell of: ours and the system's as they are."""
        # FFmpeg's errors are the system's by name only: they can't be pickled.
        system = isinstance(error, OSError) and type(error).__module__ == "builtins"
        if system or isinstance(error, CoStreamError):
            return error
        return cls(
            f"a process ended by an error that was not foreseen, {error!r}: please report it"
        )
