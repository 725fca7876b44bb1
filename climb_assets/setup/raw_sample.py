"""A sample of raw files: which formats there are, what of them can be read, and about how much text of which sources.

What belongs here: looking at raw files that no artefact is made of yet. What a record means is `climb_assets.corpus`,
whose readers are asked. A small corpus is read whole; of a larger one some records of some files of each format are,
and the rest is estimated from their bytes.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath

from climb_assets.clusters.languages import Writing, recognise, split_words
from climb_assets.config import Corpus
from climb_assets.corpus.documents import SPLITS, make_document
from climb_assets.corpus.raw_files import Listing
from climb_assets.corpus.raw_place import Localise, RawPlace
from climb_assets.corpus.readers import kind_of, read_records
from climb_assets.corpus.records import WHOLE_FILE, Fault, Record
from climb_assets.corpus.regular_file import IrregularFileError
from climb_assets.errors import CorpusError

WHOLE_BYTES = 50_000_000  # a corpus of at most so many is read whole: a few seconds
RECORDS, FILES = 200, 60  # of a larger one: records of a file, and files of a format
FETCHED_BYTES = 200_000_000  # files of a bucket are fetched whole, so only as many of them
UNPACKED = 3.0  # bytes of text in one of a packed file or a table, where no file of its kind was read to the end
PLAIN = (".txt", ".jsonl", ".ndjson", ".json")
KEPT_TEXTS, JUDGED = 512, 200  # texts that are handed on, and those whose writing is recognised
TEXT_COLUMNS = ("text", "content", "raw_content", "body", "document", "markdown", "code", "completion")


@dataclass
class FormatSample:
    """What was found of one format, such as ``.jsonl.gz``.

    Parameters
    ----------
    files, bytes
        Of all that there is; the rest is of what was looked at.
    sampled_files, ended_files, records
        Files that were looked at, those of them that were read to the end, and records that were read, those that
        cannot be used among them.
    unused
        Records that cannot be used, by reason, and one detail of each in `details`.
    """

    files: int = 0
    bytes: int = 0
    sampled_files: int = 0
    ended_files: int = 0
    records: int = 0
    unused: Counter[str] = field(default_factory=Counter)
    details: dict[str, str] = field(default_factory=dict)

    def in_words(self) -> str:
        """Return what was read of it, in a sentence."""
        told = f"{self.files:,} file{'s' * (self.files != 1)}, {in_bytes(self.bytes)}, "
        if self.ended_files == self.files:
            told += f"{self.records:,} records"
        else:
            told += f"of which {self.records:,} records of {self.sampled_files} were looked at"
        for reason, count in self.unused.most_common(3):
            told += f"; {count} unusable ({reason.replace('_', ' ')}: {self.details[reason]})"
        return told


@dataclass
class RawSample:
    """What a sample of raw files says of all of them; documents and text are estimates unless `whole`.

    Parameters
    ----------
    documents
        How many are kept, by source and split.
    text_bytes, read_bytes
        Bytes of text in them, and in those that were read.
    texts
        Some of the texts, of all files that were looked at.
    writings
        What some of them are written in.
    """

    shards: int
    formats: dict[str, FormatSample]
    rejected: Mapping[str, str]
    whole: bool
    documents: dict[str, dict[str, float]] = field(
        default_factory=lambda: defaultdict(lambda: dict.fromkeys(SPLITS, 0.0))
    )
    text_bytes: float = 0.0
    read_bytes: int = 0
    texts: list[str] = field(default_factory=list)
    writings: Counter[Writing] = field(default_factory=Counter)

    @property
    def bytes(self) -> int:
        """Bytes of all raw files."""
        return sum(one.bytes for one in self.formats.values())

    @property
    def files(self) -> int:
        """How many raw files there are."""
        return sum(one.files for one in self.formats.values())

    @property
    def records(self) -> int:
        """How many records were looked at."""
        return sum(one.records for one in self.formats.values())

    @property
    def total(self) -> int:
        """About how many documents are kept."""
        return round(sum(sum(counts.values()) for counts in self.documents.values()))

    def of_split(self, split: str) -> int:
        """Return about how many of them are of a split."""
        return round(sum(counts[split] for counts in self.documents.values()))

    def held_out(self, source: str, split: str) -> int:
        """Return about how many documents of a source a split holds."""
        return round(self.documents[source][split]) if source in self.documents else 0

    def written_in(self) -> str:
        """Return what the texts are written in, as far as it was looked at."""
        names = {
            Writing.ENGLISH: "English or no language that is known",
            Writing.OTHER: "other languages",
            Writing.CODE: "code",
        }
        total = sum(self.writings.values())
        return ", ".join(f"{count / total:.0%} {names[kind]}" for kind, count in self.writings.most_common())


def in_bytes(size: float) -> str:
    """Return bytes as people say them."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            return f"{size:.0f} {unit}" if unit == "bytes" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError("the last unit takes all")


def sample_raw(place: RawPlace, settings: Corpus) -> RawSample:
    """Look at the raw files of a place.

    Raises
    ------
    CorpusError
        The place cannot be listed, or holds nothing that can be read.
    """
    listing, files = _list(place)
    sizes = {name: size for shard in listing.shards for name, size in place.sizes(shard).items()}
    kinds = {name: _kind(name) for name in sizes}
    formats: dict[str, FormatSample] = {}
    for name, size in sizes.items():
        one = formats.setdefault(kinds[name], FormatSample())
        one.files, one.bytes = one.files + 1, one.bytes + size
    whole = sum(sizes.values()) <= WHOLE_BYTES
    sample = RawSample(len(listing.shards), formats, {one.name: one.reason for one in listing.rejected}, whole)
    chosen = list(sizes) if whole else _choose(sizes, kinds, fetched=not isinstance(settings.raw, Path))
    read: dict[str, _FileSample] = {}
    for name in chosen:
        read[name] = _read(place, name, files[name], settings, None if whole else RECORDS)
        _add_to_format(formats[kinds[name]], read[name])
    _estimate(sample, sizes, kinds, read)
    sample.read_bytes = sum(one.text_bytes for one in read.values())
    texts = [text for one in read.values() for text in one.texts]
    sample.texts = texts[:: max(1, -(-len(texts) // KEPT_TEXTS))]
    for text in sample.texts[:: max(1, -(-len(sample.texts) // JUDGED))]:
        small = text[:4000].lower()
        sample.writings[recognise(small, split_words(small))] += 1
    return sample


def find_text_column(place: RawPlace, settings: Corpus) -> str:
    """Return the column that holds the text: the named one, or of common names the one that most records have.

    Raises
    ------
    CorpusError
        As of `sample_raw`.
    """
    _, files = _list(place)
    names = [name for name in files if _kind(name)[:4] != ".txt"]
    found = Counter[str]()
    for name in names[:: max(1, -(-len(names) // 3))]:
        for column in dict.fromkeys((settings.text_column, *TEXT_COLUMNS)):
            asked = settings.model_copy(update={"text_column": column})
            one = _read(place, name, files[name], asked, 20)
            found[column] += one.kept + one.unused["filtered_short"]
    best, count = found.most_common(1)[0] if found else (settings.text_column, 0)
    return best if count > found[settings.text_column] else settings.text_column


@dataclass
class _FileSample:
    """What was read of one file.

    Parameters
    ----------
    ended
        Whether that was all.
    counts
        Documents by source ("": that of the shard) and split.
    """

    ended: bool = False
    records: int = 0
    kept: int = 0
    text_bytes: int = 0
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    unused: Counter[str] = field(default_factory=Counter)
    details: dict[str, str] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)


def _list(place: RawPlace) -> tuple[Listing, dict[str, Localise]]:
    """Return what a place holds now, and its files by name."""
    listing = place.look((), lambda shard: None)
    return listing, {name: one for shard in listing.shards for name, one in place.files(shard).items()}


def _kind(name: str) -> str:
    found = kind_of(PurePosixPath(name).name)
    return "another kind" if found is None else "".join(part or "" for part in found)


def _choose(sizes: Mapping[str, int], kinds: Mapping[str, str], *, fetched: bool) -> list[str]:
    """Return files of each format, from its beginning to its end; of a bucket the smallest, which are soon fetched."""
    chosen: list[str] = []
    for kind in sorted(set(kinds.values())):
        names = [name for name in sizes if kinds[name] == kind]
        if fetched:
            names.sort(key=sizes.__getitem__)
        else:
            names = names[:: -(-len(names) // FILES)]
        room = FETCHED_BYTES
        for number, name in enumerate(names[:FILES]):
            room -= sizes[name]
            if not fetched or not number or room >= 0:
                chosen.append(name)
    return chosen


def _read(place: RawPlace, name: str, localise: Localise, settings: Corpus, most: int | None) -> _FileSample:
    found = _FileSample()
    try:
        with localise(None) as path:
            items: Iterator[Record | Fault] = read_records(path, settings, PurePosixPath(name).name)
            for item in islice(items, most):
                _take(found, item, name, settings)
            found.ended = next(items, None) is None
    except (OSError, IrregularFileError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CorpusError(
            f"{place.where(name)} cannot be read ({reason}); give this user the right, or remove it"
        ) from None
    return found


def _take(found: _FileSample, item: Record | Fault, name: str, settings: Corpus) -> None:
    found.records += 1
    if isinstance(item, Fault):
        where = name if item.row == WHOLE_FILE else f"{name}, record {item.row}"
        found.unused[item.reason] += 1
        found.details.setdefault(item.reason, f"{where}: {item.detail}")
        return
    document = make_document(item, name, settings)
    if len(document.text) < settings.min_characters:
        found.unused["filtered_short"] += 1
        shorter = f"shorter than corpus.min_characters, {settings.min_characters}"
        found.details.setdefault("filtered_short", shorter)
        return
    found.kept += 1
    found.text_bytes += document.bytes
    found.counts[item.source or "", document.split] += 1
    if len(found.texts) < RECORDS:
        found.texts.append(document.text)


def _add_to_format(one: FormatSample, file: _FileSample) -> None:
    one.sampled_files += 1
    one.ended_files += file.ended
    one.records += file.records
    one.unused += file.unused
    one.details = file.details | one.details


def _estimate(
    sample: RawSample, sizes: Mapping[str, int], kinds: Mapping[str, str], read: Mapping[str, _FileSample]
) -> None:
    """Fill in documents and text of all files from those that were read; of the others as of those of their format."""
    for kind in sample.formats:
        alike = {name: read[name] for name in sizes if kinds[name] == kind and name in read}
        ended = [name for name, one in alike.items() if one.ended and one.text_bytes]
        by_bytes = UNPACKED if kind not in PLAIN else 1.0
        if ended:
            by_bytes = sum(read[name].text_bytes for name in ended) / sum(sizes[name] for name in ended)
        seen = sum(one.text_bytes for one in alike.values())
        for name in sizes:
            if kinds[name] != kind or not seen:
                continue
            own = alike.get(name)
            text = own.text_bytes if own is not None and own.ended else sizes[name] * by_bytes
            samples = [own] if own is not None and own.text_bytes else list(alike.values())
            share = text / max(1, sum(one.text_bytes for one in samples))
            sample.text_bytes += text
            for one in samples:
                for (source, split), count in one.counts.items():
                    sample.documents[source or name.partition("/")[0]][split] += count * share
