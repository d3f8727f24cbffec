"""Reuters RCV1 as a set with one label a document (Sec. 3.2): 2000 tokens, 50 topics, 328k documents.

The paper takes its version from a reference and does not say how it was made. This is the usual construction: the
topics are those of the second level of the topic tree; documents with exactly one of them are kept; then the 50 largest
topics; then the 2000 tokens found in most documents, with the log TF-IDF weights that scikit-learn's copy has.
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
    """Documents with one topic each.

    Args:
        x: sparse weights [documents, tokens].
        topics: sparse 0/1 [documents, topics].
        names: code of each topic.
        n_tokens, n_topics, n_documents: how many to keep at most.

    Returns:
        float32 [N, n_tokens], int64 labels [N] and the topics' codes. The order is a seeded stratified shuffle.
    """
    columns = [i for i, name in enumerate(names) if SECOND_LEVEL.fullmatch(name)]
    chosen = topics.tocsc()[:, columns].tocsr()
    alone = np.flatnonzero(np.diff(chosen.indptr) == 1)
    topic = chosen[alone].indices
    largest = np.sort(np.argsort(-np.bincount(topic, minlength=len(columns)), kind="stable")[:n_topics])
    largest = largest[np.isin(largest, topic)]
    kept = np.isin(topic, largest)
    alone, y = alone[kept], np.searchsorted(largest, topic[kept]).astype(np.int64)
    picked = sample_order(y, seed=0)[:n_documents]
    alone, y = alone[picked], y[picked]
    x = x.tocsr()[alone].tocsc()
    frequent = np.sort(np.argsort(-np.diff(x.indptr), kind="stable")[:n_tokens])
    dense = x[:, frequent].toarray(order="C").astype(np.float32)
    return dense, y, tuple(names[columns[i]] for i in largest)


def build(target: Path) -> None:
    """Fetch RCV1 with scikit-learn (650 MB, to a temporary folder), and write the `.npz` file `target` (in one step).

    Raises:
        OSError: no network, or the file can't be written.
    """
    from sklearn.datasets import fetch_rcv1

    # a folder of its own: scikit-learn caches pickles, and none but its own download is to be read
    with tempfile.TemporaryDirectory() as scratch, timeout(TIMEOUT), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it tries again
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
