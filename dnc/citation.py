"""How to cite the paper and this software; `CITATION.cff` says the same to GitHub and reference managers."""

from __future__ import annotations

from dnc.environment import versions

PAPER = """@inproceedings{dey2020deepncheap,
  title = {{Deep-n-Cheap}: An Automated Search Framework for Low Complexity Deep Learning},
  author = {Dey, Sourya and Kanala, Saikrishna C. and Chugg, Keith M. and Beerel, Peter A.},
  booktitle = {Proceedings of the 12th Asian Conference on Machine Learning},
  series = {Proceedings of Machine Learning Research},
  volume = {129},
  year = {2020},
  eprint = {2004.00974},
  archiveprefix = {arXiv}
}"""
SOFTWARE = """@misc{dnc,
  title = {dnc: deep and cheap networks},
  author = {{The dnc authors}},
  note = {Version %s},
  year = {2026}
}"""


def cite() -> str:
    """BibTeX of the paper whose method this is, and of this software in the version that runs.

    >>> import dnc
    >>> print(dnc.cite().splitlines()[0])
    @inproceedings{dey2020deepncheap,
    """
    return f"{PAPER}\n\n{SOFTWARE % versions()['dnc']}\n"
