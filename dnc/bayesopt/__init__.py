"""Bayesian optimisation over configs: kernel, Gaussian process, expected improvement, ask and tell."""

from dnc.bayesopt.acquisition import expected_improvement, log_expected_improvement
from dnc.bayesopt.gp import GaussianProcess
from dnc.bayesopt.kernel import (
    ChannelKernel,
    Kernel,
    NodeKernel,
    RampKernel,
    TrainingKernel,
    ramp_distance,
    squared_exponential,
)
from dnc.bayesopt.optimizer import BayesianOptimizer, Domain, Optimizer, Proposal, RandomSearch, SobolSearch
from dnc.bayesopt.similarity import Similarity, similarity

__all__ = [
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
