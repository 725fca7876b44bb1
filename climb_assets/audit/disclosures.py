"""What two laws ask of training data, answered from lineage: the EU AI Act, Article 53(1)(d), and California's AB 2013.

What belongs here: the questions, in the order of the Commission's template (C(2025) 5235, annex) and of the Californian
Civil Code, section 3111(a); docs/sources.md. What lineage cannot know is a blank that says so and what it asks for,
and never a guess: whoever publishes a model fills it in. This is no legal advice.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from climb_assets.audit.lineage_facts import MOST_LISTED, LineageFacts
from climb_assets.printable import markdown_cell, markdown_table

BLANK = "NOT KNOWN FROM LINEAGE"
EU, CALIFORNIA = "eu_ai_act_53_1_d", "california_ab_2013"
TITLES = {
    EU: "Public summary of training content (EU AI Act, Article 53(1)(d))",
    CALIFORNIA: "Training data documentation (California AB 2013, Civil Code 3111)",
}
TEXT_SIZES = ((10**9, "less than 1 billion tokens"), (10**13, "1 billion to 10 trillion tokens"))
LARGEST = "more than 10 trillion tokens"


@dataclass(frozen=True)
class Question:
    """One thing that is asked, what lineage answers, and what it cannot know of it.

    Parameters
    ----------
    section
        Number and title of the section.
    asked
        What is asked.
    answer, table
        What is known: a sentence, and rows of a table.
    blank
        What is not known and has to be filled in; empty where nothing is left.
    """

    section: str
    asked: str
    answer: str = ""
    table: tuple[Mapping[str, Any], ...] = ()
    blank: str = ""


def write_disclosures(facts: LineageFacts, out: Path) -> None:
    """Write both as Markdown, and as ``disclosures.json``."""
    asked = {EU: ask_commission(facts), CALIFORNIA: ask_california(facts)}
    for name, questions in asked.items():
        (out / f"{name}.md").write_text(render(TITLES[name], facts, questions), encoding="utf-8")
    told = {name: [asdict(question) for question in questions] for name, questions in asked.items()}
    (out / "disclosures.json").write_text(json.dumps(told, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def size_range(tokens: int) -> str:
    """Return the range of the Commission's template that a number of tokens lies in."""
    return next((words for above, words in TEXT_SIZES if tokens < above), LARGEST)


def _size(facts: LineageFacts) -> str:
    return (
        f"{facts.documents:,} documents, {facts.rows:,} rows with their copies, {facts.tokens:,} tokens "
        f"(counted by: {facts.tokenizer}), from {facts.raw_files:,} raw files of {facts.raw_bytes:,} bytes"
    )


def _sources(facts: LineageFacts) -> tuple[Mapping[str, Any], ...]:
    return facts.sources[:MOST_LISTED]


def _who_names_them(facts: LineageFacts) -> str:
    more = len(facts.sources) - MOST_LISTED
    rest = f" {more:,} smaller ones are in documents.parquet." if more > 0 else ""
    return f"The sources are those that raw records and files name.{rest}"


def _steps(facts: LineageFacts) -> tuple[Mapping[str, Any], ...]:
    return tuple({"step": step, "how much": counted} for step, counted in facts.steps)


def ask_commission(facts: LineageFacts) -> list[Question]:
    """Return the questions of the Commission's template."""
    provider, model, size = "1.1 Provider identification", "1.2 Model identification", "1.3 Modalities, size and others"
    public, licensed = "2.1 Publicly available datasets", "2.2.1 Datasets commercially licensed by rightsholders"
    private, crawled = "2.2.2 Private datasets of other third parties", "2.3 Data crawled and scraped"
    users, synthetic, others = "2.4 User data", "2.5 Synthetic data", "2.6 Other sources of data"
    rights, illegal = "3.1 Reservations of rights from text and data mining", "3.2 Removal of illegal content"
    return [
        Question(provider, "Provider name and contact details", blank="who provides the model"),
        Question(provider, "Authorised representative", blank="who represents the provider in the Union, if anybody"),
        Question(model, "Versioned model name(s)", blank="which models are trained on this data set"),
        Question(model, "Model dependencies", blank="whether the model is made from another one"),
        Question(model, "Date of placement on the Union market", blank="the date"),
        Question(size, "Modality", "Text."),
        Question(size, "Training data size", f"{size_range(facts.tokens).capitalize()}: {_size(facts)}."),
        Question(
            size,
            "Types of content",
            "The domains that the documents were put into by what they are about.",
            facts.domains,
            "what the content is in the words of the template (fiction, scientific text, ...)",
        ),
        Question(size, "Latest date of data acquisition", blank="when the raw files were acquired (MM/YYYY)"),
        Question(size, "Continuous training on new data", blank="whether the model goes on being trained"),
        Question(size, "Linguistic characteristics", blank="the languages; none is detected"),
        Question(size, "Other characteristics", blank="regional, demographic or other characteristics"),
        Question(
            public,
            "Publicly available datasets, and their list",
            _who_names_them(facts),
            _sources(facts),
            "which of these sources are publicly available datasets, their links, and when they were collected",
        ),
        Question(licensed, "Licensing agreements with rightsholders", blank="whether there are any"),
        Question(private, "Private datasets of other third parties", blank="which of the sources are such"),
        Question(
            crawled,
            "Crawlers, their behaviour, the period and the domain names",
            "Nothing was crawled between the raw files and the data set.",
            blank="whether raw files were crawled, by whom, when, and from which domain names",
        ),
        Question(users, "User data", blank="whether raw files hold data from users of the provider's services"),
        Question(
            synthetic,
            "Synthetic data",
            "No text was generated between the raw files and the data set.",
            blank="whether raw files hold text that a model generated, and which",
        ),
        Question(others, "Other sources", blank="whether a source is of none of the kinds above"),
        Question(
            rights,
            "Measures to respect reservations of rights",
            f"Each document carries the licence that its record names; there are {len(facts.licences):,} of them.",
            blank="the code of practice, and which opt-outs were respected when the raw files were collected",
        ),
        Question(
            illegal,
            "Measures taken",
            "None of the steps of 3.3 looks for illegal content.",
            blank="what was removed before the raw files were put here, or after",
        ),
        Question("3.3 Other information", "What was done to the data", table=_steps(facts)),
    ]


def ask_california(facts: LineageFacts) -> list[Question]:
    """Return the questions of section 3111(a)."""
    tasks = ", ".join(f"{task} (weight {weight:g})" for task, weight in sorted(facts.measured_by.items()))
    unlabelled = sum(row["documents"] for row in facts.sources if row["licence"] is None)
    return [
        Question(
            "(a)(1)", "Sources or owners of the datasets", _who_names_them(facts), _sources(facts), "who owns them"
        ),
        Question(
            "(a)(2)",
            "How the datasets further the intended purpose",
            f"The proportions were chosen so that small models lose least on: {tasks}.",
            blank="the intended purpose of the system",
        ),
        Question("(a)(3)", "Number of data points", f"{_size(facts)}."),
        Question(
            "(a)(4)",
            "Types of data points",
            "Documents of text, without labels to be learnt. Each carries source, licence, shard and domain.",
        ),
        Question(
            "(a)(5)",
            "Copyright, trademark, patent, or public domain",
            f"Licences that are named: {len(facts.licences):,}, see (a)(1); {unlabelled:,} documents name none.",
            blank="whether what is under them is protected; nobody judged the labels of the raw records",
        ),
        Question("(a)(6)", "Purchased or licensed", blank="whether a source was purchased or licensed"),
        Question("(a)(7)", "Personal information", blank="whether there is any; no step looks for it"),
        Question("(a)(8)", "Aggregate consumer information", blank="whether there is any; no step looks for it"),
        Question(
            "(a)(9)",
            "Cleaning, processing or other modification",
            "To leave out what is broken, short, there twice, poor or measured on, and to sample by the mixture.",
            _steps(facts),
            "what was done before the raw files were put here",
        ),
        Question("(a)(10)", "When the data were collected", blank="the period, and whether collection goes on"),
        Question("(a)(11)", "When the datasets were first used", blank="the dates; run_facts.json has those of steps"),
        Question(
            "(a)(12)",
            "Synthetic data generation",
            "No text was generated between the raw files and the data set.",
            blank="whether raw files hold generated text",
        ),
    ]


def render(title: str, facts: LineageFacts, questions: Sequence[Question]) -> str:
    """Return questions and answers as Markdown."""
    blanks = sum(bool(question.blank) for question in questions)
    lines = [f"# {title}", ""]
    lines += [f"For the data set of `{facts.objective}`, data version {facts.data_version}, root {facts.root}.", ""]
    lines += [f"Written from lineage alone. {blanks} of {len(questions)} answers have a blank to fill in: {BLANK}.", ""]
    section = ""
    for question in questions:
        if question.section != section:
            section = question.section
            lines += [f"## {section}", ""]
        lines += [f"**{question.asked}.**", ""]
        lines += [question.answer, ""] if question.answer else []
        lines += [*_table(question.table), ""] if question.table else []
        lines += [f"{BLANK}: {question.blank}.", ""] if question.blank else []
    return "\n".join(lines).rstrip() + "\n"


def _table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return markdown_table(rows[0], (map(_cell, row.values()) for row in rows))


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else markdown_cell("not named" if value is None else value)
