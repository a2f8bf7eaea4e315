"""What a process of ours tells its caller when it ends."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The promise of every command; `appliance` never exits with another number."""

    OK = 0
    UNHEALTHY = 1
    USAGE = 2
    UNREACHABLE = 3
    TIMED_OUT = 4
    NEEDS_RIGHTS = 5
    DOES_NOT_FIT = 6
    VERIFICATION_FAILED = 7
    CHANGED_REBOOT_NEEDED = 10
    INTERRUPTED = 130
