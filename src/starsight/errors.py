"""Everything that can go wrong because of something a user can change.

    StarsightError
    ├── ParamsError      params.yaml says something impossible
    ├── DataError        a review source cannot be read, or breaks a promise
    ├── ModelError       a checkpoint or a saved model cannot be used
    └── RegistryError    MLflow cannot be reached, or refuses

Each message says what was wrong, where, what was found and what to do, in one line (``ParamsError``: one line a
problem). ``stage.run`` and the command line print the message alone and exit with code 1; any other exception is a
defect of starsight and keeps its traceback.
"""


class StarsightError(Exception):
    """Base of every error that a user can cause."""


class ParamsError(StarsightError):
    """``params.yaml`` holds an unknown key, a wrong type or a contradiction."""


class DataError(StarsightError):
    """A source of reviews cannot be read, or the reviews break a promise."""


class ModelError(StarsightError):
    """A checkpoint or a saved model cannot be found, read or used."""


class RegistryError(StarsightError):
    """The MLflow store or registry cannot be reached, or refuses a request."""


def trouble(error: OSError) -> str:
    """What the machine complains of, and of which file: ``No space left on device at data/interim/clean.parquet``."""
    place = f" at {error.filename}" if error.filename else ""
    return f"{error.strerror or error}{place}"
