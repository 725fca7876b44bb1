"""A data set described in Croissant 1.1 (MLCommons): its files, its fields, and what it was derived from.

What belongs here: the metadata. Provenance is in the terms of W3C PROV-O, as the specification asks. What only a
publisher knows (address, date, creator) is not there; docs/sources.md has the specification.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from climb_assets.mixture.corpus_writer import MIXED_DOCUMENTS, part_names
from climb_assets.store.artifacts import Artifact

SPECIFICATION = "http://mlcommons.org/croissant/1.1"
PARQUET = "application/x-parquet"  # the name that readers of Croissant know
FILES, RECORDS = "parts", "documents"

# The context of the specification's appendix 1, and the vocabulary of provenance.
_TERMS = (
    *("annotation", "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "excludes", "extract"),
    *("field", "fileObject", "fileProperty", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath"),
    *("key", "md5", "parentField", "path", "readLines", "recordSet", "references", "regex", "repeated", "replace"),
    *("samplingRate", "sdVersion", "separator", "source", "subField", "transform", "unArchive", "value"),
)
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
} | {term: f"cr:{term}" for term in _TERMS}

DESCRIPTIONS = {
    "id": "The first 32 hex digits of the SHA-256 of the text.",
    "text": "The document, normalised.",
    "source": "The source that the raw record or its file names.",
    "licence": "The licence that the raw record names.",
    "domain": "The number of the domain that the document was put into.",
    "domain_name": "The name of that domain.",
    "shard": "The raw shard that the document was read from.",
    "epoch": "Which copy of the document this is, from 0.",
}
_TYPES = {pa.string(): "sc:Text", pa.int32(): "sc:Integer"}


def describe_data_set(
    name: str,
    corpus: Artifact,
    raw_files: Iterable[Mapping[str, Any]],
    licences: Sequence[str],
    root: str,
) -> dict[str, Any]:
    """Return the Croissant metadata of a mixed corpus whose files lie beside it.

    Parameters
    ----------
    name
        What the data set is called.
    corpus
        The artefact `mixed_corpus`.
    raw_files
        What it was derived from: ``path`` and ``sha256`` of each.
    licences
        Those that its documents name.
    root
        The root over its documents, which `climb audit prove` proves with.
    """
    parts = part_names(corpus.manifest["files"])
    files = [_describe_file(name, corpus.manifest["files"][name]) for name in parts]
    made = {
        "@type": "prov:Activity",
        "prov:label": f"mixed_corpus of climb, code {corpus.manifest['code_version']}",
        "prov:wasAssociatedWith": {"@type": "prov:SoftwareAgent", "prov:label": "climb"},
    }
    derived = [{"@id": f"urn:sha256:{raw['sha256']}", "prov:label": raw["path"]} for raw in raw_files]
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": SPECIFICATION,
        "name": name,
        "description": "Documents sampled by the mixture of domains that a CLIMB search (arXiv 2504.13161) chose, "
        f"in shuffled order. Root over its documents: {root}.",
        "version": corpus.data_version,
        "license": [{"@type": "sc:CreativeWork", "name": licence} for licence in licences],
        "prov:wasGeneratedBy": made,
        "prov:wasDerivedFrom": derived,
        "distribution": [
            *files,
            {
                "@type": "cr:FileSet",
                "@id": FILES,
                "name": FILES,
                "encodingFormat": PARQUET,
                "includes": parts,
            },
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": RECORDS,
                "name": RECORDS,
                "key": [{"@id": f"{RECORDS}/id"}, {"@id": f"{RECORDS}/epoch"}],
                "field": [_describe_field(field) for field in MIXED_DOCUMENTS],
            }
        ],
    }


def _describe_file(name: str, file: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{file['bytes']} B",
        "encodingFormat": PARQUET,
        "sha256": file["sha256"],
    }


def _describe_field(field: pa.Field) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{RECORDS}/{field.name}",
        "name": field.name,
        "description": DESCRIPTIONS[field.name],
        "dataType": _TYPES[field.type],
        "source": {"fileSet": {"@id": FILES}, "extract": {"column": field.name}},
    }
