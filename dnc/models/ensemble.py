"""Networks that vote (Appendix: Ensembling)."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dnc.card import Card, HasCard, accuracy, clipped, per_epoch
from dnc.data.dataset import Dataset
from dnc.models.model import Model
from dnc.models.predict import accuracy_on


@dataclass(frozen=True, eq=False, repr=False)
class Ensemble(HasCard):
    """Networks that vote, as `result.ensemble(n)` returns them. Their training times and parameters add up.

    Attributes:
        members: the trained networks.
        data: the data set whose test samples judge the vote.

    >>> import dnc
    >>> from dnc.models.final_training import train_final
    >>> data = dnc.load_data("digits", n_train=300, n_val=100, n_test=100)
    >>> model = train_final(dnc.Config(dnc.MLP(hidden=(20,))), data, epochs=1, progress=False)
    >>> voters = dnc.Ensemble((model, model, model), data)  # three that always agree
    >>> voters.test_acc == model.test_acc, voters.n_params == 3 * model.n_params
    (True, True)
    """

    members: tuple[Model, ...]
    data: Dataset

    def predict_proba(self, x: ArrayLike) -> NDArray[np.float32]:
        """Mean of the members' class probabilities, shape (N, n_classes), of samples as `Model` takes them.

        Raises:
            DataError: samples of another shape or scale, or no numbers.
        """
        return np.mean([m.predict_proba(x) for m in self.members], axis=0)

    def predict(self, x: ArrayLike) -> NDArray[np.int64]:
        """Majority vote of the members, shape (N,); ties go to the class with the higher mean probability."""
        probabilities = np.stack([m.predict_proba(x) for m in self.members])  # (members, N, n_classes)
        n_classes = probabilities.shape[2]
        choices = probabilities.argmax(axis=2)  # (members, N)
        votes = np.stack([(choices == k).sum(axis=0) for k in range(n_classes)], axis=1)  # (N, n_classes)
        # half a mean probability is less than one vote: it decides between equal votes and nothing else
        return (votes + 0.5 * probabilities.mean(axis=0)).argmax(axis=1)

    def score(self, x: ArrayLike, y: ArrayLike) -> float:
        """Accuracy (fraction) of the vote on samples and their labels, as `Model.score` takes them.

        Raises:
            DataError: samples of another shape or scale, another number of labels, or a label of no class.

        >>> import dnc
        >>> from dnc.models.final_training import train_final
        >>> data = dnc.load_data("digits", n_train=300, n_val=100, n_test=100)
        >>> model = train_final(dnc.Config(dnc.MLP(hidden=(20,))), data, epochs=1, progress=False)
        >>> dnc.Ensemble((model, model), data).score(data.x_test, data.y_test) == model.test_acc
        True
        """
        return accuracy_on(self.predict(x), y, self.members[0].classes)

    @property
    def test_acc(self) -> float:
        """Test accuracy of the vote, a fraction; NaN without test data."""
        if not self.data.n_test:
            return math.nan
        return float((self.predict(self.data.x_test) == self.data.y_test).mean())

    @property
    def t_tr(self) -> float:
        """Training time per epoch of all members together, seconds."""
        return float(sum(m.t_tr for m in self.members))

    @property
    def n_params(self) -> int:
        """Number of trainable parameters of all members together."""
        return sum(m.n_params for m in self.members)

    def _card(self) -> Card:
        n_test = self.data.n_test  # the vote itself is not asked for: it would predict all test samples
        rows = [
            (accuracy(m.test_acc, n_test), per_epoch(m.t_tr), f"{m.n_params:,}", clipped(str(m.config.arch), 200))
            for m in self.members
        ]
        facts = (("t_tr", per_epoch(self.t_tr)), ("N_p", f"{self.n_params:,}"))
        head = ("test accuracy", "t_tr", "N_p", "architecture") if rows else ()
        return Card(f"{len(rows)} networks that vote", facts=facts, head=head, rows=tuple(rows))

    def __str__(self) -> str:
        counts = Counter(str(m.config.arch) for m in self.members)
        return f"{len(self.members)} networks ({', '.join(counts)}): test accuracy {self.test_acc:.2%}"
