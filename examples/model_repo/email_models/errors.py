"""What can go wrong in a job, each with the exit code that the step ends with.

YARN shows the driver's exit code in the application's diagnostics; the message goes to stderr as one line.
"""


class JobError(Exception):
    """A job cannot go on; the message says what is wrong and where."""

    exit_code = 1


class ConfigError(JobError):
    """The model settings or the secrets file cannot be used."""

    exit_code = 3


class InputError(JobError):
    """The telemetry of that day is missing, empty, or lacks a column."""

    exit_code = 4


class DatabaseError(JobError):
    """PostgreSQL cannot be reached, refuses the login, or holds no organisations."""

    exit_code = 5
