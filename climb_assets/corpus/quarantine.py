"""What to do when nothing of a corpus can be used: the commonest reason, the setting that mends it, and where to look.

What belongs here: words about reasons. What is quarantined is decided by readers and `ingest`.
"""

from collections.abc import Mapping

QUERY = """climb sql "SELECT reason, count(*), any_value(file), any_value(detail) FROM quarantine GROUP BY reason\""""
_CURES = {
    "no_text": "name the text in corpus.text_column",
    "wrong_columns": "name the text in corpus.text_column",
    "filtered_short": "lower corpus.min_characters",
    "record_too_long": "raise corpus.max_record_bytes",
    "bomb": "raise corpus.max_expansion or corpus.max_rows if you trust it",
    "too_many_values": "raise corpus.max_values",
    "too_deep": "raise corpus.max_nesting",
    "not_json_lines": "write one JSON object a line",
    "not_an_object": "write one JSON object a line",
    "held_out": "lower corpus.search_eval and corpus.report_eval",
    "bad_utf8": "write the files in UTF-8",
}
_OTHERWISE = "mend or replace these files"


def advise(reason: str) -> str:
    """Return what to do about records of a reason."""
    return _CURES.get(reason, _OTHERWISE)


def explain_nothing_left(reasons: Mapping[str, int], details: Mapping[str, str] | None = None) -> str:
    """Return one sentence on a corpus of which no document is left.

    Parameters
    ----------
    reasons
        Records by what became of them, ``filtered_short`` beside the reasons of the quarantine.
    details
        What is said of one record of each reason, where that is known.
    """
    if not sum(reasons.values()):
        return "add raw files"
    reason, count = max(reasons.items(), key=lambda item: (item[1], item[0]))
    shown = f" ({details[reason]})" if details and reason in details else ""
    return (
        f"{count} of {sum(reasons.values())} records are {reason}{shown}: {advise(reason)}; "
        f"`climb up --to corpus_shards` and {QUERY} show the rest"
    )
