"""What goes wrong with data.

DataError
├── UnknownWrapping      bytes that no wrapping, or not the expected one, explains
├── Damaged              a wrapping or file that does not hold together
├── Undecryptable        no key fits, or the integrity check failed
├── Unsafe               a member name that escapes, an expansion beyond the bounds
├── UnknownFormat        no reader fits
├── Unreadable           a file that its reader cannot make sense of
├── CountMismatch        records in, and Raw plus rejected, differ
├── Miscounted           a file has not as many records as the party says
├── Mislisted            files in a wrapping are not as the list among them says
├── Drifted              columns that the source's policy on drift does not take
├── MissingColumns       a mapping names a column that the file does not have
├── Misdeclared          an expression or a decision of the source that does not fit its data
├── Undecided            columns that say who somebody is, and nobody has decided what becomes of them
├── ChecksFailed         a transformed drop that is not as its checks say; it is kept as a candidate
├── SchemaChanged        a common schema's columns or key do not fit its table
├── TooManyRejected      more records rejected than the source allows
├── UnexpectedMember     a file in a drop that the source's declaration does not know
├── NothingBefore        there is no earlier publish to go back to
├── Remaining            something of a purged source is left in the lake
├── Withheld             an error that is not ours, of a source that may hold people's data: without its words
├── NoExecutors          the run's pod was not given what Spark's executors need
├── SparkEnded           Spark's process was killed, or died (retryable)
└── TableMoved           somebody else committed to the table first (retryable)
"""

from typing import ClassVar, Literal


class DataError(Exception):
    """Something is wrong with data. `what` names file, wrapping, member or table; `todo` says what to do."""

    todo: ClassVar[str] = "Look at the file"
    retryable: bool = False

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"{self.what}. {self.todo}"


class UnknownWrapping(DataError):
    """Bytes that no wrapping, or not the expected one, explains."""

    todo = "Look at the first bytes; if the party changed how it packs, change what the source expects"


class Damaged(DataError):
    """A wrapping or file that does not hold together."""

    todo = "Ask the party to send it again; the landed bytes are kept"


class Undecryptable(DataError):
    """No key fits, or the integrity check failed."""

    todo = "Check the key or password block against what the party encrypts with; nothing of it was kept"


class Unsafe(DataError):
    """A member name that escapes, or an expansion beyond the bounds."""

    todo = "Look at the archive before raising a bound; nothing of it was kept"


class UnknownFormat(DataError):
    """No reader fits. `of` is what the file is all the same: text in some form, or XML whose rows nothing names."""

    todo = "Name the format, and how it is written"

    def __init__(self, what: str, of: Literal["text", "xml"] | None = None) -> None:
        super().__init__(what)
        self.of = of


class Unreadable(DataError):
    """A file that its reader cannot make sense of."""

    todo = "Check the reader's options against the file's first lines"


class CountMismatch(DataError):
    """The records that went in are not the rows and rejects that came out."""

    todo = "Nothing was committed; look at the part named here for a stray quote or a wrong dialect"


class Miscounted(DataError):
    """A file has not as many records as the party says that it has."""

    todo = "Nothing was committed; ask the party which is right, unless the reader's options make one record of two"


class Mislisted(DataError):
    """Files in a wrapping are not as the party's list among them says."""

    todo = (
        "Nothing was committed. If the list is wrong and the files are right: inlet accept SOURCE DROP --reason …; else"
        " ask the party to send it again"
    )


class Drifted(DataError):
    """The columns of a drop are others than before, in a way that the source's policy on drift does not take."""

    todo = (
        'Nothing was committed. If the party meant it, set drift="evolve" (the table gains what is new) or'
        ' "freeze" (it is kept in _special) on the dataset; a type that no longer fits needs a dataset of its own'
    )


class MissingColumns(DataError):
    """A mapping names a column that the file does not have."""

    todo = "Compare the file's header with the source's mapping"


class Misdeclared(DataError):
    """An expression of a mapping, or a decision on a column, that does not fit the data."""

    todo = "Correct it in the source's file"


class Undecided(DataError):
    """Columns that a mapping reads say who somebody is, and nobody has decided what becomes of them."""

    todo = (
        "Nothing was published. Say for each what becomes of it: Dataset(privacy={column: Keep(why=…), Drop(), Hash(…),"
        " Year(), Zip3() or Age()}), as docs/compliance.md explains"
    )


class ChecksFailed(DataError):
    """A transformed drop is not as its checks say."""

    todo = (
        "Nothing was published; look at the tables named here. If the drop is right all the same: inlet accept SOURCE"
        " DROP --reason …; else ask the party, or correct the mapping"
    )


class SchemaChanged(DataError):
    """A common schema's columns or key do not fit the table that it has."""

    todo = "Give the schema the next version: its table stands beside the old one. Columns may be added without"


class TooManyRejected(DataError):
    """More records were rejected than the source allows."""

    todo = "Nothing was committed; look at the rejected records, then correct the reader or raise the limit"


class UnexpectedMember(DataError):
    """A file in a drop that the source's declaration does not know."""

    todo = "Declare it as a dataset or as ignored; on the command line choose one by --member"


class NothingBefore(DataError):
    """There is no earlier publish that could be gone back to."""

    todo = "Hold the drops that are wrong instead: inlet hold SOURCE DROP --reason …"


class Remaining(DataError):
    """Something in the lake is, or may be, of a source that was purged."""

    todo = (
        "If a run of the source is still going, stop it and purge again. What is unfinished may be another source's:"
        " purge again once its run has ended, at the latest after a day"
    )


class SparkEnded(DataError):
    """Spark's process was killed, or died: it says nothing about the data."""

    todo = "Run it again; if it happens again its memory is too small, so give the deployment the next size"
    retryable = True


class TableMoved(DataError):
    """Somebody else committed to the table first."""

    todo = "The run computes it again by itself"
    retryable = True


class Withheld(DataError):
    """An error of somebody else's code about a source that may hold people's data. `what` says where it was raised."""

    todo = "Its own words may quote data and are kept nowhere: do the stage by hand where these data may be seen"

    def __init__(self, what: str, *, retryable: bool = False) -> None:
        super().__init__(what)
        self.retryable = retryable


class NoExecutors(DataError):
    """The run's pod was not given what Spark's executors need."""

    todo = "Correct the work pool or the deployment, or set executors to 0: then the run's own pod does all"
