"""The search: trial store, evaluation, the three stages, results.

The folder is not called `search`, because importing it would then hide the function `dnc.search`.
"""
