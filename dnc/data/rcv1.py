"""Reuters RCV1 as a set with one label per document (Sec. 3.2): 2000 tokens, 50 topics, 328k documents.

The paper cites where its version comes from, not how it was made. This is the usual construction: the topics are those
of the second level of the topic tree; documents with exactly one of them stay; of these, those of the 50 largest
topics; then the 2000 tokens that occur in most documents, with the log TF-IDF weights of scikit-learn's copy.
"""

from __future__ import annotations

import re
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from dnc.data.download import TIMEOUT, timeout
from dnc.data.splits import sample_order
from dnc.files import replacing

N_TOKENS, N_TOPICS = 2000, 50
N_TRAIN, N_VAL, N_TEST = 178_000, 50_000, 100_000
SECOND_LEVEL = re.compile(r"[CEM]\d\d|G\d\d|G[A-Z]+(?<!GCAT)")  # C15, E21, M14, G15, GPOL; not C151, CCAT, GCAT


def single_label(
    x: Any,
    topics: Any,
    names: list[str],
    n_tokens: int = N_TOKENS,
    n_topics: int = N_TOPICS,
    n_documents: int = N_TRAIN + N_VAL + N_TEST,
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """The documents that have exactly one topic, as dense rows.

    Args:
        x: sparse weights [documents, tokens].
        topics: sparse 0/1 [documents, topics].
        names: code of each topic.
        n_tokens, n_topics, n_documents: how many to keep at most.

    Returns:
        Weights float32 [N, n_tokens], labels int64 [N] and the codes of the topics. The order of the documents is a
        seeded stratified shuffle, so that its end can serve as the test set.
    """
    columns = [i for i, name in enumerate(names) if SECOND_LEVEL.fullmatch(name)]
    second_level = topics.tocsc()[:, columns].tocsr()
    documents = np.flatnonzero(np.diff(second_level.indptr) == 1)  # with exactly one topic
    topic = second_level[documents].indices
    largest = np.sort(np.argsort(-np.bincount(topic, minlength=len(columns)), kind="stable")[:n_topics])
    largest = largest[np.isin(largest, topic)]  # fewer where not so many topics have a document
    in_largest = np.isin(topic, largest)
    documents, y = documents[in_largest], np.searchsorted(largest, topic[in_largest]).astype(np.int64)
    order = sample_order(y, seed=0)[:n_documents]
    documents, y = documents[order], y[order]
    x = x.tocsr()[documents].tocsc()
    frequent = np.sort(np.argsort(-np.diff(x.indptr), kind="stable")[:n_tokens])
    dense = x[:, frequent].toarray(order="C").astype(np.float32)
    return dense, y, tuple(names[columns[i]] for i in largest)


def build(target: Path) -> None:
    """Fetch RCV1 with scikit-learn (650 MB, to a temporary folder), and write the `.npz` file `target` (in one step).

    Raises:
        OSError: there is no network, or the file cannot be written.
    """
    from sklearn.datasets import fetch_rcv1

    # a folder of its own: scikit-learn caches pickles, and none but its own download is to be read
    with tempfile.TemporaryDirectory() as scratch, timeout(TIMEOUT), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns that it tries again
        bunch: Any = fetch_rcv1(data_home=scratch, n_retries=1)
    x, y, classes = single_label(bunch["data"], bunch["target"], list(bunch["target_names"]))
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as part, open(part, "wb") as file:  # by name, numpy would append ".npz" to it
        np.savez_compressed(
            file,
            xtr=x[:-N_TEST],
            ytr=y[:-N_TEST],
            xte=x[-N_TEST:],
            yte=y[-N_TEST:],
            classes=np.array(classes),
        )
