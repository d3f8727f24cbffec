"""Bayesian optimization over configs (Sec. 2.2), in the order in which one needs it:

kernel        how alike two configs are, eqs. (3a) to (3c)
similarity    the same for two configs, part by part (Fig. 2)
gp            the posterior of f, given the configs evaluated so far
acquisition   expected improvement, what a candidate is worth
optimizer     ask for a config, tell its f
"""

from dnc.bayesopt.acquisition import XI, expected_improvement, log_expected_improvement
from dnc.bayesopt.gp import NOISE, GaussianProcess
from dnc.bayesopt.kernel import (
    ChannelKernel,
    Kernel,
    NodeKernel,
    RampKernel,
    TrainingKernel,
    ramp_distance,
    squared_exponential,
)
from dnc.bayesopt.optimizer import (
    N1,
    N2,
    N3,
    TRANSFORMS,
    BayesianOptimizer,
    Domain,
    Optimizer,
    Proposal,
    RandomSearch,
    SobolSearch,
)
from dnc.bayesopt.similarity import Similarity, similarity

__all__ = [
    "N1",
    "N2",
    "N3",
    "NOISE",
    "TRANSFORMS",
    "XI",
    "BayesianOptimizer",
    "ChannelKernel",
    "Domain",
    "GaussianProcess",
    "Kernel",
    "NodeKernel",
    "Optimizer",
    "Proposal",
    "RampKernel",
    "RandomSearch",
    "Similarity",
    "SobolSearch",
    "TrainingKernel",
    "expected_improvement",
    "log_expected_improvement",
    "ramp_distance",
    "similarity",
    "squared_exponential",
]
