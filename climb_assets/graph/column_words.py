"""What each column of the lake's tables means, and in which unit it is.

What belongs here: words, one for each name of a column, as one name means one thing; where a table means something else
by it, `OF_TABLE` says so. Names, types and order are those of the files. Columns that the configuration names are
described by what they are: tasks, objectives, dimensions of quality.
"""

from collections.abc import Mapping
from typing import NamedTuple

from climb_assets.config import Config


class Meaning(NamedTuple):
    """What a column holds, and its unit; None where it has none."""

    words: str
    unit: str | None = None


BITS, NATS, OPERATIONS = "bits_per_byte", "nats_per_token", "FLOP"  # shares, tokens and bytes say so in words
LOSS = Meaning("loss of the model on this task; less is better", BITS)

MEANINGS: Mapping[str, Meaning] = {
    "accuracy": Meaning("share of the items whose right answer is the likeliest; none of a text task"),
    "accuracy_norm": Meaning("the same, by likelihood a character, so that long answers are not held back"),
    "arm": Meaning("the mixture that the answer is compared with"),
    "article": Meaning("what a document is a part of; documents of one article share a split"),
    "bands": Meaning("bits of the bands of the signatures in which the pair was met"),
    "begins": Meaning("how some of its documents begin"),
    "believed": Meaning("how far the source is believed of this task, by what the search has measured itself"),
    "beyond": Meaning("whether the difference is beyond its threshold"),
    "bits": Meaning("bits that the model needs for the right answer of each item, item by item"),
    "breaks_limits": Meaning("whether it gives a domain more or less than an answer may have"),
    "bytes": Meaning("length of the texts in UTF-8"),
    "chosen": Meaning("mean loss of the models on the answer", BITS),
    "cluster": Meaning("number of the cluster; of a cell where clusters are parted by quality"),
    "clusters": Meaning("how many clusters the domain is made of"),
    "comparisons": Meaning("how many comparisons of the family hold together"),
    "compute": Meaning("operations of training one model, 6 for each parameter and token", OPERATIONS),
    "confidence": Meaning("what the interval would cover if it were the only one"),
    "confirmed": Meaning("share of the domain in the mixture as it was confirmed, before it was fitted to today"),
    "copies": Meaning("how often the document stands in the data set"),
    "corpus_version": Meaning("data version of the documents"),
    "data_version": Meaning("hash of what the model is"),
    "degrees": Meaning("degrees of freedom that the noise rests on"),
    "detail": Meaning("what exactly was wrong"),
    "difference": Meaning("mean difference between the answer and the other; less than 0 is better", BITS),
    "dimension": Meaning("the dimension of quality"),
    "dimensions": Meaning("effective number of dimensions in which the embeddings spread"),
    "distance": Meaning("distance between the document and its centroid, both of length 1"),
    "distance_squared": Meaning("sum of the squared distances to the centroid"),
    "diverged": Meaning("whether a loss was no number any more; such a row enters no fit"),
    "documents": Meaning("documents to train on"),
    "domain": Meaning("number of the domain"),
    "domain_name": Meaning("name of the domain"),
    "doubt": Meaning("share of the model's text that its mixture no longer says"),
    "dropped_labels": Meaning("labels of records that could not be made text"),
    "duplicates": Meaning("documents whose text an earlier shard has too"),
    "earlier": Meaning("name of the domain of then"),
    "embedding": Meaning("mean of the embeddings"),
    "embeddings_version": Meaning("data version of the embeddings"),
    "epoch": Meaning("which copy of the document this row is, from 0"),
    "epochs": Meaning("tokens drawn from the domain for each token that it holds"),
    "excess": Meaning("by how much it breaks a floor of no regression; 0 where it breaks none", BITS),
    "family": Meaning("documents that must share a split"),
    "far": Meaning("documents farther from their centroid than 99 of 100 of the fit"),
    "file": Meaning("the raw file, by its path under the raw folder"),
    "filtered": Meaning("records left out as too short or as duplicates within the shard"),
    "filtered_duplicate": Meaning("records whose text stands in the shard already"),
    "filtered_short": Meaning("records whose text is too short"),
    "fingerprint": Meaning("hash of what the model was trained from"),
    "first_shard": Meaning("the shard whose copy counts"),
    "fit": Meaning("the measure when the domains were fitted"),
    "gold_probability": Meaning("mean probability of the right answer among those of its item"),
    "high": Meaning("upper end of the interval", BITS),
    "id": Meaning("the document: the first 32 digits of the SHA-256 of its text"),
    "items": Meaning("documents or questions that the task was measured on"),
    "iteration": Meaning("number of the iteration that measured it; 0 is evidence that the search began with"),
    "kept": Meaning("records that are documents"),
    "key": Meaning("the mixture, by a hash of its weights"),
    "kind": Meaning("whether the measure is a task or an objective"),
    "learning_rate": Meaning("peak learning rate"),
    "length": Meaning("how many tokens it has"),
    "licence": Meaning("licence of the document as its record names it"),
    "loss": LOSS,
    "low": Meaning("lower end of the interval", BITS),
    "matches": Meaning("how many items of the task stand in the document"),
    "mean_annotated": Meaning("mean of the annotations, 0 to 5"),
    "mean_distance": Meaning("mean distance of a document to its centroid"),
    "mean_predicted": Meaning("mean of the scores, 0 to 5"),
    "measure": Meaning("the task or the average of tasks that is compared"),
    "measured": Meaning("whether the search trained it; otherwise it was only predicted"),
    "mixtures": Meaning("how many mixtures the correlation is over"),
    "name": Meaning("name of the domain"),
    "near_duplicates": Meaning("documents that are nearly equal to another one"),
    "noise": Meaning("standard deviation between models of one mixture that differ by their seed", BITS),
    "objective": Meaning("the objective that it was proposed for; none where for all"),
    "origin": Meaning("how it came about"),
    "other": Meaning("mean loss of the models on the other mixture", BITS),
    "paired": Meaning("the noise after what a seed does to all mixtures is taken out", BITS),
    "paired_degrees": Meaning("degrees of freedom that this rests on"),
    "parameters": Meaning("parameters of the model"),
    "pearson": Meaning("correlation of scores and annotations, of documents that nothing was fitted on"),
    "pearson_high": Meaning("upper end of its interval"),
    "pearson_low": Meaning("lower end of its interval"),
    "planned": Meaning("tokens that were to be drawn from the domain"),
    "predicted": Meaning("loss that was predicted when it was proposed; none where no predictor was asked", BITS),
    "prior": Meaning("share of the domain in the corpus as it is"),
    "pruned_by": Meaning("the dimension of quality for which the cluster was left out; none where it was kept"),
    "quality_version": Meaning("data version of the quality scores"),
    "quarantined": Meaning("records that are broken"),
    "ratio": Meaning("spread in units of the noise; about 1 says that mixtures differ no more than seeds do"),
    "read": Meaning("records that were read"),
    "reason": Meaning("why the record is left out"),
    "record": Meaning("number of the record in its raw file"),
    "repeat": Meaning("which training of the mixture: 0 searches, the next measure noise or confirm"),
    "residual_sd": Meaning("standard deviation of what its predictions of unseen rows miss", BITS),
    "rows": Meaning("rows of the source"),
    "seeds": Meaning("paired seeds"),
    "setting": Meaning("the setting of proxies, as the configuration names it"),
    "sha256": Meaning("SHA-256 of the text in UTF-8"),
    "shard": Meaning("the shard: one entry of the raw folder"),
    "share": Meaning("share of all tokens to train on"),
    "similarity": Meaning("share of the shingles that both documents have, estimated from their signatures"),
    "source": Meaning("where the documents come from, as their records name it"),
    "sources": Meaning("the largest sources and their documents"),
    "spearman": Meaning("rank correlation of predictions of unseen rows with what was measured"),
    "spearman_high": Meaning("upper end of its interval"),
    "spearman_low": Meaning("lower end of its interval"),
    "split": Meaning("train, search_eval (held out to decide) or report_eval (held out to report)"),
    "spread": Meaning("standard deviation between the mixtures, noise included", BITS),
    "start": Meaning("where its tokens begin in the shard's"),
    "step": Meaning("step of training, from 1"),
    "task": Meaning("the task"),
    "terms": Meaning("words that tell the domain from the others"),
    "text": Meaning("the text, normalised"),
    "threshold": Meaning("the difference that chance explains once in a hundred corpora"),
    "today": Meaning("the measure now"),
    "tokens": Meaning("tokens to train on"),
    "tokens_squared": Meaning("sum of the squared tokens of documents"),
    "tokens_version": Meaning("data version of the tokens"),
    "top_high": Meaning("upper end of its interval"),
    "top_low": Meaning("lower end of its interval"),
    "top_mixtures": Meaning("how many of the better mixtures the next column is over"),
    "top_spearman": Meaning("rank correlation over the better mixtures alone"),
    "trust": Meaning("how much the rows count in a fit, from 0 to 1"),
    "used_by": Meaning("the asset that rests on the model"),
    "verdict": Meaning("better or worse where the interval leaves out 0"),
    "version": Meaning("data version of the shard's documents"),
    "wanted": Meaning("share of the domain in the answer"),
    "weight": Meaning("share of the domain in the mixture"),
    "weights": Meaning("share of each domain, in the order of the domains"),
}
OF_CELLS: Mapping[str, Meaning] = {  # only where `clusters.cells` parts clusters by quality
    "band": Meaning("number of the band of quality, from 0, the poorest"),
    "score_below": Meaning("the score below which its documents lie; none where nothing bounds them"),
    "score_from": Meaning("the score from which on its documents lie; none where nothing bounds them"),
    "topic": Meaning("number of the topic, which has a domain in each band"),
}
MEASURED_BY = Meaning("who measured it: the search itself, or the evidence of this name")
JUDGED = "judged:"  # begins such a name in the tally, as `climb_assets.clusters.statistics` writes it
OF_HISTORY, OF_SCORES, TALLY = ("history.parquet", "mixtures.parquet"), "scores.parquet", "tally.parquet"
OF_TABLE: Mapping[str, Mapping[str, Meaning]] = {  # by the name of the file, or of asset and file
    "curves.parquet": {"loss": Meaning("training loss", NATS), "tokens": Meaning("tokens trained on so far")},
    "results.parquet": {"tokens": Meaning("tokens that the model was trained on")},
    "task_curves.parquet": {"tokens": Meaning("tokens that the model was trained on so far")},
    "items.parquet": {"bytes": Meaning("length of each right answer, item by item")},
    "fidelity.parquet": {
        "tokens": Meaning("tokens that the proxies were trained on"),
        "measure": Meaning("the task or the objective by which mixtures are ranked"),
        "spearman": Meaning("rank correlation of the proxies' losses with those of the target models"),
        "low": Meaning("lower end of its interval"),
        "high": Meaning("upper end of its interval"),
    },
    "comparison.parquet": {"family": Meaning("the comparisons whose intervals hold together")},
    "families.parquet": {"split": Meaning("the split that the family has")},
    "predictor_state/families.parquet": {
        "family": Meaning("the kind of predictor"),
        "weight": Meaning("how much it counts among the predictors of the task"),
    },
    **{file: {"source": MEASURED_BY} for file in OF_HISTORY},
    "left_out.parquet": {
        "documents": Meaning("documents that no model is trained on for this reason"),
        "tokens": Meaning("tokens of these documents"),
        "domain": Meaning("number of the domain; none where their cluster was pruned"),
        "reason": Meaning("duplicate, near_duplicate of held-out text, contaminated by an item of a task, or licence"),
    },
    "clusters.parquet": {"domain": Meaning("number of its domain; none where it was pruned")},
    "pruned.parquet": {"terms": Meaning("words that tell the cluster from the others")},
    "evidence.parquet": {"source": Meaning("name of the evidence")},
    "transfers.parquet": {
        "source": Meaning("the earlier search"),
        "domain": Meaning("name of the domain of today that holds it"),
        "share": Meaning("share of the earlier domain's tokens that lie there"),
    },
    "drift.parquet": {
        "measure": Meaning("what is compared between the fit and today"),
        "domain": Meaning("number of the domain; none where the row is of all of them"),
        "difference": Meaning("how far today is from the fit"),
    },
    "noise.parquet": {"measure": Meaning("the task or the objective")},
    "shortlist.parquet": {"name": Meaning("its name among the mixtures that are confirmed")},
    "baselines.parquet": {"name": Meaning("name of the baseline")},
    "shards.parquet": {
        "documents": Meaning("documents of the shard"),
        "tokens": Meaning("tokens of all its documents"),
    },
    "sources.parquet": {"documents": Meaning("documents of the source in this split")},
    "splits.parquet": {"split": Meaning("the split that it has in the end, where that is not its own")},
    "pairs.parquet": {"other": Meaning("the document that it is nearly equal to")},
    TALLY: {"distance": Meaning("sum of the documents' distances to their centroid")},
    "held_out.parquet": {
        "documents": Meaning("annotated documents"),
        "spearman": Meaning("rank correlation of scores and annotations, of documents that nothing was fitted on"),
    },
    "fit.parquet": {"distance": Meaning("sum of the documents' distances to their centroid")},
    "fit_shards.parquet": {"documents": Meaning("documents of the shard in each domain, and in all")},
    "evaluation.parquet": {"bytes": Meaning("length of the text in UTF-8")},
    "realised.parquet": {"tokens": Meaning("tokens of the domain that were used")},
    "mixed_corpus/realised.parquet": {
        "weight": Meaning("share of the domain in the data set"),
        "tokens": Meaning("tokens of the domain in the data set"),
    },
    "sample.parquet": {"tokens": Meaning("tokens of one copy")},
    "audit_bundle/documents.parquet": {"tokens": Meaning("tokens of one copy")},
    "tokenized_shards/documents.parquet": {"tokens": Meaning("tokens of the document")},
    "corpus_shards/documents.parquet": {"split": Meaning("its own split, before near-duplicates are joined")},
}


def describe_column(asset: str, file: str, name: str, config: Config) -> Meaning | None:
    """Return what a column of an asset's table means; None where nobody has said it."""
    for table in (f"{asset}/{file}", file):
        if found := OF_TABLE.get(table, {}).get(name):
            return found
    if name in config.tasks and file in OF_HISTORY:
        return Meaning(f"loss on the task {name}; none where the proxy diverged", BITS)
    if name in config.objectives and file == "front.parquet":
        return Meaning(f"the objective {name}; less is better", BITS)
    if file == OF_SCORES and name != "id":
        return Meaning(f"{_in_words(name)} of the document, 0 to 5, more is better; none where it cannot be judged")
    if found := MEANINGS.get(name) or OF_CELLS.get(name):
        return found
    if name.startswith(JUDGED):
        return Meaning(f"documents that have a score of {_in_words(name.removeprefix(JUDGED))}")
    if name.startswith("mean_"):
        return Meaning(f"mean {_in_words(name.removeprefix('mean_'))} of the documents, 0 to 5, more is better")
    return Meaning(f"sum of the documents' scores of {_in_words(name)}") if file == TALLY else None


def _in_words(dimension: str) -> str:
    return dimension.replace("_", " ")
