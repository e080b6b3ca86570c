"""Errors that a user can mend: one clear sentence each, no traceback, exit status 2."""


class UserError(Exception):
    """Something outside the program is wrong: what, where, and what to do, in one sentence."""


class ConfigError(UserError):
    """A parameter is wrong; the message opens with ``file:line: path:`` where there is a line."""


class AudioError(UserError):
    """An audio file cannot be used; the message opens with its path."""


class DataError(UserError):
    """A data set is missing, incomplete or contradicts itself."""
