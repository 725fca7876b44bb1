"""Terms: the words of a domain, not those that all share, whatever the order of the shards."""

import numpy as np

from climb_assets.clusters.terms import characteristic_terms, sample_texts, split_terms
from climb_assets.tables import read_table, write_table

DOMAIN_OF = np.array([2, 0, 1, -1])


def domain_terms(tables, splits, domain_of: np.ndarray, count: int) -> list[list[str]]:
    return characteristic_terms(["\n".join(texts) for texts in sample_texts(tables, splits, domain_of)], count)


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


def test_remnants_reporting_verbs_and_function_words_are_no_terms() -> None:
    text = "<unk> The ##ing minister said that <pad> rivers &nbsp; rise, he added; unk and http://www.site.com"
    assert split_terms(text) == ["minister", "rivers", "rise", "site"]
    assert split_terms("Die Würde des Menschen ist unantastbar") == ["würde", "menschen", "unantastbar"]
    assert split_terms("Это право на жизнь") == ["право", "жизнь"]


def test_other_scripts_have_terms() -> None:
    assert split_terms("日本の首都はタワーのある東京都である") == ["日本", "首都", "タワー", "東京", "京都"]
    assert split_terms("हिन्दी भाषा में") == ["हिन्दी", "भाषा"]
    terms = characteristic_terms(["権利と自由。権利の宣言", "माता पिता", "rights and freedom"], 2)
    assert terms[0][0] == "権利" and set(terms[1]) == {"माता", "पिता"} and set(terms[2]) == {"freedom", "rights"}
