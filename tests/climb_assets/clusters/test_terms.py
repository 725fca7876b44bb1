"""Terms: the words of a domain, not those that all share, whatever the order of the shards."""

import numpy as np

from climb_assets.clusters.terms import domain_terms
from climb_assets.tables import read_table, write_table

DOMAIN_OF = np.array([2, 0, 1, -1])


def test_terms_are_those_of_the_domain(corpus) -> None:
    terms = domain_terms(corpus.tables, corpus.splits, DOMAIN_OF, 3)
    assert [
        set(of_domain) <= words
        for of_domain, words in zip(
            terms,
            (
                {"proof", "theorem", "lemma", "axiom"},
                {"bread", "flour", "butter", "oven"},
                {"river", "lake", "water", "fish"},
            ),
            strict=True,
        )
    ] == [True] * 3
    assert [len(of_domain) for of_domain in terms] == [3, 3, 3]


def test_the_order_of_shards_changes_nothing(corpus) -> None:
    forward = domain_terms(corpus.tables, corpus.splits, DOMAIN_OF, 6)
    assert domain_terms(corpus.tables[::-1], corpus.splits, DOMAIN_OF, 6) == forward


def test_text_without_words_has_no_terms(corpus) -> None:
    for shard in corpus.tables:
        table = read_table(shard.documents)
        write_table(shard.documents, table.set_column(1, "text", [["1 2 3"] * table.num_rows]))
    assert domain_terms(corpus.tables, corpus.splits, DOMAIN_OF, 3) == [[], [], []]
